; of a namespace, of a class
(using_directive !name [(qualified_name) (identifier)] @path) @all
(using_directive name: (_) @name (qualified_name) @path)
