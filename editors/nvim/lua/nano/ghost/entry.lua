--- The selected entry of a completion menu that is not inserted yet: suggestions continue it, by
--- `context.selectedCompletionInfo` of LSP 3.18.
local M = {}

local METHOD = "textDocument/inlineCompletion"
local SNIPPET = 2 -- LSP, InsertTextFormat
local attached = setmetatable({}, { __mode = "k" }) ---@type table<vim.lsp.Client, true>

--- The text that a completion item inserts; nil for a snippet, whose placeholders are filled in first.
---@param item? lsp.CompletionItem
---@return string?
local function text_of(item)
  if not item or item.insertTextFormat == SNIPPET then
    return nil
  end
  return item.textEdit and item.textEdit.newText or item.insertText or item.label
end

---@return string?
local function selected_in_neovim()
  local info = vim.fn.complete_info({ "pum_visible", "selected", "items" })
  local item = info.pum_visible == 1 and info.selected >= 0 and info.items[info.selected + 1]
  if not item then
    return nil
  end
  local lsp_item = vim.tbl_get(item, "user_data", "nvim", "lsp", "completion_item")
  return not (lsp_item and lsp_item.insertTextFormat == SNIPPET) and item.word or nil
end

---@return string?
local function selected_in_plugins()
  local cmp, blink = package.loaded["cmp"], package.loaded["blink.cmp"]
  if cmp and cmp.get_selected_entry and cmp.visible() then
    local entry = cmp.get_selected_entry()
    return entry and text_of(entry.completion_item)
  elseif blink and blink.get_selected_item and blink.is_menu_visible() then
    return text_of(blink.get_selected_item())
  end
end

--- The text that the selected entry would insert, and how many bytes of it are typed already. nil if no entry is
--- selected, if it is in the text already, or if it does not continue the typed text.
---@return string? text
---@return integer? n_typed
function M.selected()
  local text = selected_in_neovim() or selected_in_plugins()
  if not text or text == "" then
    return nil
  end
  local before = vim.api.nvim_get_current_line():sub(1, vim.api.nvim_win_get_cursor(0)[2])
  for n = math.min(#text, #before), 1, -1 do
    if vim.startswith(text, before:sub(-n)) then
      return n < #text and text or nil, n
    end
  end
  return vim.fn.match(before, [[\k$]]) < 0 and text or nil, 0
end

--- Make a client send the selected entry with each request for suggestions. The server's suggestions then begin with
--- the entry; the part that is typed already is removed. Line breaks become those of Neovim's buffers.
---@param client vim.lsp.Client
function M.attach(client)
  if attached[client] then
    return
  end
  attached[client] = true
  local request = client.request
  client.request = function(self, method, params, handler, ...)
    if method ~= METHOD then
      return request(self, method, params, handler, ...)
    end
    local text, n_typed = M.selected()
    if text then
      local line, col = vim.api.nvim_get_current_line(), vim.api.nvim_win_get_cursor(0)[2]
      local start = vim.str_utfindex(line, self.offset_encoding, col - n_typed, false)
      local range = { start = { line = params.position.line, character = start }, ["end"] = params.position }
      params.context.selectedCompletionInfo = { text = text, range = range }
    end
    return request(self, method, params, function(err, result, ...)
      for _, item in ipairs(result and result.items or {}) do
        item.insertText = item.insertText:sub(text and n_typed + 1 or 1):gsub("\r\n?", "\n")
        item.range.start = params.position
      end
      return handler(err, result, ...)
    end, ...)
  end
end

return M
