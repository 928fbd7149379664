[(block) (declaration_list) (field_declaration_list) (enum_variant_list) (match_block)] @block
