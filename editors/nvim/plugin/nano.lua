if vim.g.loaded_nano then
  return
end
vim.g.loaded_nano = true

vim.api.nvim_create_user_command("Nano", function(args)
  require("nano.commands").run(args)
end, {
  nargs = "+",
  range = true,
  desc = "NEURO-NANO: explain, docstring, pause, …",
  complete = function(lead, line)
    return require("nano.commands").complete(lead, line)
  end,
})
