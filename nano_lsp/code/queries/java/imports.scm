; of a class, of a member of one, of all classes of a package
(import_declaration [(scoped_identifier) (identifier)] @path (asterisk)? @all)
