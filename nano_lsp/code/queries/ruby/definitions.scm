([
  (method
    name: (_) @name
    parameters: (_)? @parameters
    body: (_)? @body)
  (singleton_method
    name: (_) @name
    parameters: (_)? @parameters
    body: (_)? @body)
] @function)

([
  (class name: (_) @name body: (_)? @body)
  (module name: (_) @name body: (_)? @body)
] @class)

(assignment left: (constant) @name) @value
