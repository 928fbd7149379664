--- What users call. `setup` comes first; the rest may be called from key maps and status lines.
local M = {}

--- Start with these options; see `nano.Options` and |nano-setup|.
---@param options? nano.Options
function M.setup(options)
  if vim.fn.has("nvim-0.11") == 0 then
    vim.notify("nano: this Neovim is too old; install 0.11 or newer.", vim.log.levels.ERROR)
    return
  end
  local config = require("nano.config").set(options or {})
  require("nano.ghost").setup(config)
  require("nano.keys").setup(config)
  require("nano.client").setup(config)
end

--- Put the suggestion, or its next word or line, into the text.
---@param part? "all"|"word"|"line"
---@return boolean accepted  false where there is no suggestion
function M.accept(part)
  return require("nano.ghost").accept(part or "all")
end

--- Show the next suggestion, or ask for some where none is shown.
---@param count? integer  negative for those before
function M.cycle(count)
  require("nano.ghost").cycle(count or 1)
end

--- Take the suggestion away.
function M.dismiss()
  require("nano.ghost").dismiss()
end

--- Whether a suggestion is shown.
---@return boolean
function M.is_shown()
  return require("nano.ghost").is_shown()
end

--- What the server is at, in few words: a component of a status line. Empty where no server runs.
---@return string
function M.statusline()
  return require("nano.status").text()
end

return M
