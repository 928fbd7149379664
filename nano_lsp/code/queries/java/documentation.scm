(lambda_expression) @scope

(formal_parameters (formal_parameter name: (_) @parameter))
(formal_parameters (spread_parameter (variable_declarator name: (_) @parameter)))
(record_declaration parameters: (formal_parameters (formal_parameter name: (_) @component)))
(type_parameters (type_parameter (type_identifier) @type_parameter))

(method_declaration type: (_) @returns (#not-eq? @returns "void"))
(annotation_type_element_declaration type: (_) @returns)

(throws (_) @throws)
(throw_statement (object_creation_expression type: (_) @throws))
(throw_statement (identifier) @rethrown)
(try_statement body: (_) @protected (catch_clause) @handler)
(try_with_resources_statement body: (_) @protected (catch_clause) @handler)
(catch_type (_) @caught)

(method_declaration (modifiers ["public" "protected"] @public))
(constructor_declaration (modifiers ["public" "protected"] @public))
(class_declaration (modifiers ["public" "protected"] @public))
(interface_declaration (modifiers ["public" "protected"] @public))
(enum_declaration (modifiers ["public" "protected"] @public))
(record_declaration (modifiers ["public" "protected"] @public))
(annotation_type_declaration (modifiers ["public" "protected"] @public))
(interface_body (method_declaration name: (_) @public))
(method_declaration (modifiers "private" @private))
(method_declaration (modifiers (marker_annotation name: (_) @private (#eq? @private "Override"))))
(compact_constructor_declaration name: (_) @private)

[(line_comment) (block_comment)] @comment
((block_comment) @documentation (#match? @documentation "^/\\*\\*[^*/]"))
((line_comment) @directive (#match? @directive "^//\\s*(noinspection|NOSONAR|CHECKSTYLE|@formatter|spotless:|NOPMD)"))
