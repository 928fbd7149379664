--- The plugin's public functions. Call `setup` first; the others are for key maps and status lines.
local M = {}

--- Set the options and start the plugin; see `nano.Options` and |nano-setup|.
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

--- Accept the suggestion, or its next word or line.
---@param part? "all"|"word"|"line"
---@return boolean accepted  false if no suggestion is shown
function M.accept(part)
  return require("nano.ghost").accept(part or "all")
end

--- Show the next alternative, or request suggestions if none is shown.
---@param count? integer  number of alternatives to move; negative for previous ones
function M.cycle(count)
  require("nano.ghost").cycle(count or 1)
end

--- Dismiss the suggestion, and the next edit.
function M.dismiss()
  require("nano.ghost").dismiss()
  require("nano.next_edit").dismiss()
end

--- Go to the next edit, or make it if the cursor is there.
---@return boolean  false if none is shown
function M.next_edit()
  return require("nano.next_edit").accept()
end

--- Whether a suggestion is shown.
---@return boolean
function M.is_shown()
  return require("nano.ghost").is_shown()
end

--- The server's state for a status line; empty if no server is running.
---@return string
function M.statusline()
  return require("nano.status").text()
end

return M
