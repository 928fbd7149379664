(function_definition) @scope

(parameters name: (_) @parameter)
(parameters (vararg_expression) @parameter.text)

(return_statement (expression_list) @returns (#not-eq? @returns "nil"))
(function_call name: (identifier) @fails (#eq? @fails "error"))

(function_declaration "local" @private)

(comment) @comment
((comment) @documentation (#match? @documentation "^---|^--\\[=*\\[-"))
((comment) @documentation_continued (#match? @documentation_continued "^--([^-\\[]|$)"))
((comment) @directive (#match? @directive "^--+\\s*(luacheck|selene|stylua|luacov)[: ]"))
