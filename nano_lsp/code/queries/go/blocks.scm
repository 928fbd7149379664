[(block) (field_declaration_list) (interface_type) (expression_switch_statement) (type_switch_statement) (select_statement)] @block
