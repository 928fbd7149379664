[(body_statement) (then) (else) (do) (do_block) (begin_block) (block) (block_body)] @block
