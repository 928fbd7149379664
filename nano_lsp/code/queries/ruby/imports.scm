(call
  method: (identifier) @require
  arguments: (argument_list . (string (string_content) @module) .)) @call
