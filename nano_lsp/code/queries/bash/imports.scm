; source script, . script
(command
  name: (command_name (word) @require)
  . argument: (_) @script)
