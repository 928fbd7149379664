--- Ghost text, by one of two renderers: `builtin` is Neovim's own (0.12), `extmarks` is for 0.11.
---
--- The server decides when to ask the model and which answers are stale. Only `rest_of` is here as well: what is drawn
--- must follow each key at once, and the keys that accept a part of it need the rest without waiting.
local M = {}

---@class nano.Renderer  draws suggestions
---@field attach fun(client: vim.lsp.Client, bufnr: integer)
---@field rest fun(): string?  the part of the suggestion that is not typed yet; nil if none is shown
---@field accept fun(piece: string)  insert this beginning of the rest
---@field cycle fun(count: integer)
---@field dismiss fun()

local renderer ---@type nano.Renderer?

-- What one key accepts: a word or punctuation with the white space before it; a line with the line break before it.
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
    require("nano.status").notify("this Neovim has no vim.lsp.inline_completion; extmarks are used.")
    kind = "extmarks"
  end
  M.kind = kind
  renderer = kind and require("nano.ghost." .. kind) or nil
end

---@param client vim.lsp.Client
---@param bufnr integer
function M.attach(client, bufnr)
  if renderer then
    require("nano.ghost.entry").attach(client)
    renderer.attach(client, bufnr)
  end
end

--- Whether a suggestion's rest continues the selected entry of the completion menu; true if none is selected.
---@param rest string
---@return boolean
function M.continues_entry(rest)
  local text, n_typed = require("nano.ghost.entry").selected()
  return not text or vim.startswith(rest, text:sub(n_typed + 1))
end

---@return boolean
function M.is_shown()
  return renderer ~= nil and renderer.rest() ~= nil
end

---@param part "all"|"word"|"line"
---@return boolean
function M.accept(part)
  if not renderer or not M.is_shown() then
    return false
  end
  local function accept()
    local rest = renderer.rest()
    local piece = rest and vim.fn.matchstr(rest, PARTS[part])
    if rest then
      renderer.accept(piece ~= "" and piece or rest)
    end
  end
  local ok, message = pcall(accept)
  if not ok and message:find("E565:") then -- the text is locked, for example in an <expr> mapping
    vim.schedule(accept)
  elseif not ok then
    error(message, 0)
  end
  return true
end

---@param count integer
function M.cycle(count)
  if renderer then
    renderer.cycle(count)
  end
end

function M.dismiss()
  if renderer then
    renderer.dismiss()
  end
end

--- The part of a suggestion that is not typed yet; nil if the text from its start to the cursor does not match.
---@param text string
---@param row integer  row of the suggestion's start, from 0
---@param col integer  column of the suggestion's start, in bytes
---@return string?
function M.rest_of(text, row, col)
  local cursor = vim.api.nvim_win_get_cursor(0)
  local end_row, end_col = cursor[1] - 1, cursor[2]
  if end_row < row or (end_row == row and end_col < col) then
    return nil
  end
  -- The start may have been deleted.
  local ok, lines = pcall(vim.api.nvim_buf_get_text, 0, row, col, end_row, end_col, {})
  local typed = ok and table.concat(lines, "\n") or nil
  return typed and vim.startswith(text, typed) and text:sub(#typed + 1) or nil
end

--- Insert text at the cursor, and move the cursor to its end.
---@param text string
function M.insert(text)
  local cursor = vim.api.nvim_win_get_cursor(0)
  local row, col = cursor[1] - 1, cursor[2]
  local lines = vim.split(text, "\n", { plain = true })
  vim.api.nvim_buf_set_text(0, row, col, row, col, lines)
  vim.api.nvim_win_set_cursor(0, { row + #lines, (#lines == 1 and col or 0) + #lines[#lines] })
end

return M
