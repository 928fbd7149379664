(lambda) @scope

(method_parameters [
  (identifier) @parameter
  (optional_parameter name: (_) @parameter)
  (splat_parameter name: (_) @parameter)
  (keyword_parameter name: (_) @parameter)
  (hash_splat_parameter name: (_) @parameter)
  (block_parameter name: (_) @parameter)
])

(return (argument_list (_) @returns (#not-eq? @returns "nil")))
; The value of the last expression; of a call without arguments it is not known whether it is meant.
(body_statement [
  (identifier) (instance_variable) (constant) (scope_resolution) (self) (call) (element_reference)
  (binary) (unary) (conditional) (case) (string) (simple_symbol) (array) (hash) (integer) (float) (true) (false)
] @returns . (#not-match? @returns "^(puts|print|p|pp|raise|fail|warn|private|public|protected|super)\\b"))
(method body: [
  (identifier) (instance_variable) (constant) (call) (binary) (conditional) (string) (array) (hash) (integer)
] @returns)
(method name: (setter) @returns_nothing)
((method name: (_) @returns_nothing) (#eq? @returns_nothing "initialize"))
(yield) @yields

((call !receiver method: (identifier) @_raise arguments: (argument_list . [(constant) (scope_resolution)] @throws))
  (#any-of? @_raise "raise" "fail"))
((call !receiver method: (identifier) @_raise arguments: (argument_list . (call receiver: [(constant) (scope_resolution)] @throws)))
  (#any-of? @_raise "raise" "fail"))
((call !receiver method: (identifier) @_raise arguments: (argument_list . (string) @throws.RuntimeError))
  (#any-of? @_raise "raise" "fail"))
(begin (rescue) @handler) @protected
(body_statement (rescue) @handler) @protected
(rescue exceptions: (exceptions (_) @caught))
((then (identifier) @rethrown) (#eq? @rethrown "raise"))

(body_statement (identifier) @hides (#any-of? @hides "private" "protected"))
(body_statement (identifier) @shows (#eq? @shows "public"))
(call method: (identifier) @_hides arguments: (argument_list [(method name: (_) @private) (singleton_method name: (_) @private)])
  (#any-of? @_hides "private" "protected" "private_class_method"))

; memoize def name … end
(call arguments: (argument_list . [(method) (singleton_method)])) @wrapper
(argument_list . [(method) (singleton_method)]) @wrapper

(comment) @comment
; Lines that set something for the whole file do not document what follows.
((comment) @documentation
  (#match? @documentation "^#")
  (#not-match? @documentation "^#(!|\\s*(-\\*-|(frozen_string_literal|encoding|coding|typed|warn_indent|shareable_constant_value):))"))
((comment) @directive (#match? @directive "^#\\s*(rubocop|standard|steep|reek|simplecov|brakeman|:nocov):"))
