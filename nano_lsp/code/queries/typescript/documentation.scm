; Types of functions, and other types with parameters of their own.
[(function_type) (constructor_type) (construct_signature) (call_signature) (type_alias_declaration)] @scope

[(internal_module) (module)] @namespace

(formal_parameters (_ pattern: (identifier) @parameter))
(formal_parameters (_ pattern: (rest_pattern (identifier) @parameter)))
(formal_parameters (_ pattern: [(object_pattern) (array_pattern)] @parameter.position))
(formal_parameters (_ pattern: (rest_pattern [(object_pattern) (array_pattern)] @parameter.position)))
(arrow_function parameter: (_) @parameter)
(type_parameters (type_parameter name: (_) @type_parameter))

(_ return_type: (type_annotation (_) @returns))
(_ return_type: (type_predicate_annotation) @returns)
((_ return_type: (type_annotation (_) @returns_nothing))
  (#match? @returns_nothing "^(void|never|undefined|Promise(Like)?\\s*<\\s*(void|never|undefined)\\s*>)$"))
(_ return_type: (asserts_annotation) @returns_nothing)

(method_definition (accessibility_modifier) @private (#eq? @private "private"))
(method_signature (accessibility_modifier) @private (#eq? @private "private"))
(abstract_method_signature (accessibility_modifier) @private (#eq? @private "private"))

(class_body (decorator) @leading)
