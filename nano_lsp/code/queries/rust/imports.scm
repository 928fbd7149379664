; The tree of a use is read by code.
(use_declaration argument: (_) @use)

(mod_item name: (_) @mod !body)
