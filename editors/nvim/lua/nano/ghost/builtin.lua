--- Ghost text by `vim.lsp.inline_completion` of Neovim 0.12, extended by what it lacks: accepting words and lines,
--- requesting alternatives, and removing suggestions that no longer match the typed text.
---
--- This uses the private module `vim.lsp._capability`; if that has changed, `is_available` returns false.
local ghost = require("nano.ghost")

local M = {} ---@type nano.Renderer

local INVOKED = 1 -- LSP, InlineCompletionTriggerKind
local REQUIRED = { "request", "automatic_request", "show", "hide", "abort", "select", "handler", "count_items" }

---@return table?
local function capability()
  local ok, found = pcall(require, "vim.lsp._capability")
  return ok and type(found.all) == "table" and found.all.inline_completion or nil
end

---@return boolean
function M.is_available()
  local found = vim.lsp.inline_completion and capability()
  return found ~= nil
    and type(found.active) == "table"
    and vim.iter(REQUIRED):all(function(name)
      return type(found[name]) == "function"
    end)
    and vim.range ~= nil
end

--- Neovim's own state of the suggestions in the current buffer.
---@return table?
local function completor()
  local found = capability()
  return found and found.active[vim.api.nvim_get_current_buf()]
end

---@param current vim.lsp.inline_completion.Item
---@return string? rest
local function rest_of(current)
  local text, range = current.insert_text, current.range
  if type(text) ~= "string" or not range then
    return nil
  end
  return ghost.rest_of(text, range:to_extmark())
end

function M.rest()
  local it = completor()
  local rest = it and it.current and rest_of(it.current)
  return rest ~= "" and rest or nil
end

--- Make the suggestion begin at the cursor, so that only its rest is drawn and accepted.
---@param it table
---@param rest string
local function move(it, rest)
  local cursor = vim.api.nvim_win_get_cursor(0)
  local row, col = cursor[1] - 1, cursor[2]
  it.current.insert_text = rest
  it.current.range = vim.range(it.bufnr, row, col, row, col)
  it:show()
end

--- After a key: shorten the suggestion, or remove it if it does not match.
local function update()
  local it = completor()
  if not it or not it.current then
    return
  end
  local rest = rest_of(it.current)
  if rest and rest ~= "" and ghost.continues_entry(rest) then
    move(it, rest)
  else
    it:hide()
    it.current = nil
  end
end

function M.accept(piece)
  local it, rest = completor(), M.rest()
  if not it or not rest then
    return
  end
  local item = it.current
  ghost.insert(piece)
  if #piece < #rest then
    move(it, rest:sub(#piece + 1))
    return
  end
  it:abort()
  local client = vim.lsp.get_client_by_id(item.client_id)
  if item.command and client then
    client:exec_cmd(item.command, { bufnr = it.bufnr })
  end
end

function M.cycle(count)
  local it = completor()
  if not it or not vim.startswith(vim.api.nvim_get_mode().mode, "i") then
    return
  end
  local rest = M.rest()
  local has_several = rest ~= nil and it:count_items() > 1
  local _, item ---@type integer?, lsp.InlineCompletionItem?
  if has_several then
    _, item = it:get_item(it.current._index)
  end
  if item and item.insertText == rest then -- nothing has been typed since
    vim.lsp.inline_completion.select({ count = count })
    return
  end
  it:reset_timer() -- an automatic request would replace these
  it.handler = function(self, ...)
    self.handler = nil
    self:handler(...)
    if rest and self:count_items() > 1 then
      vim.lsp.inline_completion.select({ count = count })
    end
  end
  it:request(INVOKED)
end

function M.dismiss()
  local it = completor()
  if it then
    it:abort()
  end
end

function M.attach(_, bufnr)
  vim.lsp.inline_completion.enable(true, { bufnr = bufnr })
  local group = vim.api.nvim_create_augroup("nano.ghost_text." .. bufnr, {})
  vim.api.nvim_create_autocmd({ "CursorMovedI", "TextChangedI", "TextChangedP" }, {
    group = group,
    buffer = bufnr,
    callback = update,
  })
  vim.api.nvim_create_autocmd("CompleteChanged", { -- Neovim sends requests if the text changes, not the selection
    group = group,
    buffer = bufnr,
    callback = vim.schedule_wrap(function()
      local it = completor()
      if it and vim.startswith(vim.api.nvim_get_mode().mode, "i") then
        update()
        it:automatic_request()
      end
    end),
  })
end

return M
