[(statement_block) (class_body) (switch_body) (class_static_block)] @block
