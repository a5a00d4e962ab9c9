from __future__ import annotations

try:
    from deployer.local.translate.translator import translate
    from deployer.local.translate.position import map_position
except ImportError:
    from deployer.local.translate.api import Translation

    def translate(sql, catalog, variables={}):
        return Translation((sql,))

    def map_position(original, translated, offset):
        return offset
