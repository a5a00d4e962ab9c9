"""Where each column comes from, by table and column, through views and procedures; from the files alone."""
