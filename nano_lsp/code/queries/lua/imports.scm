(function_call
  name: (identifier) @require
  arguments: (arguments . (string content: (string_content) @module) .))
