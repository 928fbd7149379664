[(interface_body) (enum_body)] @block
