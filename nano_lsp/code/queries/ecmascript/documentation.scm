; Functions without a name, whose parameters and results are not those of the function around them.
[(arrow_function) (function_expression) (generator_function) (class_static_block)] @scope

(return_statement (_) @returns (#not-match? @returns "^(undefined$|void 0$|/[/*])"))
((arrow_function body: (_) @returns) (#not-match? @returns "^\\{"))
(yield_expression) @yields

(throw_statement (new_expression constructor: (_) @throws))
(throw_statement (call_expression function: (_) @throws) (#match? @throws "(^|\\.)[A-Z]\\w*$"))
(throw_statement (identifier) @rethrown)
(try_statement body: (_) @protected handler: (_) @handler)

(method_definition name: (private_property_identifier) @private)

(comment) @comment
((comment) @documentation
  (#match? @documentation "^/\\*\\*[^*/]")
  (#not-match? @documentation "@(file|fileoverview|overview|module|packageDocumentation|typedef|callback)\\b"))
((comment) @directive
  (#match? @directive "^/[/*]\\s*(eslint-|@ts-|prettier-ignore|istanbul |c8 |v8 |biome-|deno-|tslint:|jshint |noinspection |#__|@__)"))
