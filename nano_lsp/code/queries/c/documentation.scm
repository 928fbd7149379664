; The parameters of a pointer to a function, and of a parameter that is a function.
(function_declarator declarator: (parenthesized_declarator) parameters: (_) @scope)
(parameter_declaration declarator: (function_declarator parameters: (_) @scope))
(abstract_function_declarator parameters: (_) @scope)

(function_declarator parameters: (parameter_list (parameter_declaration declarator: (_) @parameter)))
(function_declarator parameters: (parameter_list (_ "..." @parameter.text)))

((function_definition type: (_) @returns declarator: (function_declarator))
  (#not-match? @returns "^(void|auto)$"))
((declaration type: (_) @returns declarator: (function_declarator)) (#not-eq? @returns "void"))
(function_definition declarator: (pointer_declarator) @returns)
(declaration declarator: (pointer_declarator (function_declarator)) @returns)
(declaration declarator: (pointer_declarator (pointer_declarator (function_declarator))) @returns)

; A macro before the type, such as FORCE_INLINE: the parser takes it for the type, and the type for an error.
[
  (function_definition (ERROR) @tolerated)
  (declaration (ERROR) @tolerated)
  (function_definition body: (_) @tolerated)
]
((function_definition type: (_) . (ERROR) @returns_nothing . declarator: (function_declarator))
  (#match? @returns_nothing "^(\\w+\\s+)*void$"))
((declaration type: (_) . (ERROR) @returns_nothing . declarator: (function_declarator))
  (#match? @returns_nothing "^(\\w+\\s+)*void$"))

(translation_unit (function_definition (storage_class_specifier) @private (#eq? @private "static")))

(comment) @comment
((comment) @documentation
  (#match? @documentation "^(/\\*[*!][^*/<]|//[/!]([^/<]|$))")
  (#not-match? @documentation "[@\\\\](file|defgroup|addtogroup|mainpage|page|name|\\{|\\})"))
((comment) @directive
  (#match? @directive "^/[/*]\\s*(NOLINT|clang-format|cppcheck-suppress|NOSONAR|noinspection|coverity|LCOV|GCOV)"))
