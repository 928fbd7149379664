--- Suggestions as ghost text. Two modules draw them: `builtin` is Neovim's own (0.12), `extmarks` is for 0.11.
local M = {}

---@class nano.Ghost  what draws suggestions
---@field attach fun(client: vim.lsp.Client, bufnr: integer)
---@field rest fun(): string?  what of the suggestion is not typed yet; nil where none is shown
---@field take fun(piece: string)  put the beginning of the rest into the text
---@field cycle fun(count: integer)
---@field dismiss fun()

local painter ---@type nano.Ghost?

-- What one key takes: blanks and a word, or blanks and signs; a line, with the break before it.
local PARTS = {
  all = [[^\_.*]],
  word = [=[^\_s*\%(\k\+\|[^[:keyword:][:space:]]\+\)]=],
  line = [[^\n\?[^\n]*]],
}

---@param config nano.Config
function M.setup(config)
  local kind = config.ghost_text
  if kind == "auto" then
    kind = require("nano.ghost.builtin").is_available() and "builtin" or "extmarks"
  elseif kind == "builtin" and not require("nano.ghost.builtin").is_available() then
    require("nano.status").tell("this Neovim has no vim.lsp.inline_completion; extmarks are used.")
    kind = "extmarks"
  end
  M.kind = kind
  painter = kind and require("nano.ghost." .. kind) or nil
end

--- Whether requests wait for the next key before they are sent, so that the server need not.
---@return boolean
function M.waits_itself()
  return M.kind == "builtin"
end

---@param client vim.lsp.Client
---@param bufnr integer
function M.attach(client, bufnr)
  if painter then
    require("nano.ghost.entry").tell(client)
    painter.attach(client, bufnr)
  end
end

--- Whether a suggestion's rest continues the entry that is selected in a completion menu, or none is selected.
---@param rest string
---@return boolean
function M.continues_entry(rest)
  local text, n_typed = require("nano.ghost.entry").selected()
  return not text or vim.startswith(rest, text:sub(n_typed + 1))
end

---@return boolean
function M.is_shown()
  return painter ~= nil and painter.rest() ~= nil
end

---@param part "all"|"word"|"line"
---@return boolean
function M.accept(part)
  if not painter or not M.is_shown() then
    return false
  end
  local function take()
    local rest = painter.rest()
    local piece = rest and vim.fn.matchstr(rest, PARTS[part])
    if rest then
      painter.take(piece ~= "" and piece or rest)
    end
  end
  local ok, message = pcall(take)
  if not ok and message:find("E565:") then -- the text is locked, as in a map with <expr>
    vim.schedule(take)
  elseif not ok then
    error(message, 0)
  end
  return true
end

---@param count integer
function M.cycle(count)
  if painter then
    painter.cycle(count)
  end
end

function M.dismiss()
  if painter then
    painter.dismiss()
  end
end

--- What of a text is left behind the cursor, if what stands between a place and the cursor is its beginning.
---@param text string
---@param row integer  of the place, from 0
---@param col integer  in bytes
---@return string?
function M.rest_of(text, row, col)
  local cursor = vim.api.nvim_win_get_cursor(0)
  local end_row, end_col = cursor[1] - 1, cursor[2]
  if end_row < row or (end_row == row and end_col < col) then
    return nil
  end
  -- The place may have been deleted.
  local ok, lines = pcall(vim.api.nvim_buf_get_text, 0, row, col, end_row, end_col, {})
  local typed = ok and table.concat(lines, "\n") or nil
  return typed and vim.startswith(text, typed) and text:sub(#typed + 1) or nil
end

--- Put text in at the cursor, and the cursor behind it.
---@param text string
function M.insert(text)
  local cursor = vim.api.nvim_win_get_cursor(0)
  local row, col = cursor[1] - 1, cursor[2]
  local lines = vim.split(text, "\n", { plain = true })
  vim.api.nvim_buf_set_text(0, row, col, row, col, lines)
  vim.api.nvim_win_set_cursor(0, { row + #lines, (#lines == 1 and col or 0) + #lines[#lines] })
end

return M
