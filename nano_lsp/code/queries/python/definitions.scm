(function_definition
  name: (_)? @name
  parameters: (_)? @parameters
  return_type: (_)? @result
  body: (_) @body) @function

(class_definition
  name: (_)? @name
  body: (_) @body) @class

(decorated_definition) @wrapper
