(declaration_list) @block
