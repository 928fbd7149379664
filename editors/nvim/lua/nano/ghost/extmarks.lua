--- Ghost text for a Neovim without `vim.lsp.inline_completion`: sends the requests and draws an extmark at the cursor.
local ghost = require("nano.ghost")

local M = {} ---@type nano.Renderer

local METHOD = "textDocument/inlineCompletion"
local INVOKED, AUTOMATIC = 1, 2 -- LSP, InlineCompletionTriggerKind
local namespace = vim.api.nvim_create_namespace("nano.inline_completion")

---@class nano.Shown
---@field bufnr integer
---@field client vim.lsp.Client
---@field items lsp.InlineCompletionItem[]
---@field index integer
---@field row integer  row of the items' start, from 0
---@field col integer  column of the items' start, in bytes
---@field counted boolean  whether to show the item's number and the number of items

---@class nano.Request
---@field client vim.lsp.Client
---@field id? integer

local shown ---@type nano.Shown?
local request ---@type nano.Request?  the pending request
local requested ---@type string?  the text, cursor and menu entry of the newest automatic request

local function define_highlights()
  vim.api.nvim_set_hl(0, "NanoGhostText", { default = true, link = "NonText" })
  vim.api.nvim_set_hl(0, "NanoGhostHint", { default = true, link = "MoreMsg" })
end

local function in_insert_mode()
  return vim.startswith(vim.api.nvim_get_mode().mode, "i")
end

---@param it? nano.Request
local function cancel(it)
  if it and it == request then
    request = nil
  end
  if it and it.id then
    it.client:cancel_request(it.id)
  end
end

local function clear()
  if shown and vim.api.nvim_buf_is_valid(shown.bufnr) then
    vim.api.nvim_buf_clear_namespace(shown.bufnr, namespace, 0, -1)
  end
end

function M.rest()
  if not shown or shown.bufnr ~= vim.api.nvim_get_current_buf() or not in_insert_mode() then
    return nil
  end
  local rest = ghost.rest_of(shown.items[shown.index].insertText, shown.row, shown.col)
  return rest ~= "" and rest or nil
end

--- Draw the rest of the suggestion; drop a suggestion that no longer matches.
---@return boolean
local function draw()
  clear()
  local rest = M.rest()
  if not shown or not rest then
    shown = nil
    return false
  end
  local cursor = vim.api.nvim_win_get_cursor(0)
  local tab = (" "):rep(vim.bo.tabstop) -- virtual text has no tab stops
  local lines = {}
  for line in vim.gsplit(rest, "\n", { plain = true }) do
    lines[#lines + 1] = { { (line:gsub("\t", tab)), "NanoGhostText" } }
  end
  if shown.counted then
    table.insert(lines[#lines], { (" (%d/%d)"):format(shown.index, #shown.items), "NanoGhostHint" })
  end
  vim.api.nvim_buf_set_extmark(0, namespace, cursor[1] - 1, cursor[2], {
    virt_text = lines[1],
    virt_text_pos = "inline",
    virt_lines = { unpack(lines, 2) },
    hl_mode = "combine",
  })
  return true
end

--- Identifies the text, the cursor and the menu's entry: a key has several events, and needs one request.
---@return string
local function state_of(bufnr)
  local cursor = vim.api.nvim_win_get_cursor(0)
  local entry = require("nano.ghost.entry").selected() or ""
  return table.concat({ bufnr, vim.api.nvim_buf_get_changedtick(bufnr), cursor[1], cursor[2], entry }, " ")
end

---@param client vim.lsp.Client
---@param trigger 1|2
---@param count integer  number of alternatives to move
local function send_request(client, trigger, count)
  local bufnr, cursor = vim.api.nvim_get_current_buf(), vim.api.nvim_win_get_cursor(0)
  local params = vim.lsp.util.make_position_params(0, client.offset_encoding)
  ---@cast params lsp.InlineCompletionParams
  params.context = { triggerKind = trigger }
  local this, previous = { client = client }, request ---@type nano.Request, nano.Request?
  request = this
  local sent, id = client:request(METHOD, params, function(_, result)
    if request ~= this then
      return -- cancelled
    end
    request = nil
    local items = result and (result.items or result) or {}
    if #items > 0 then
      local index = count % #items + 1
      clear()
      -- The server's suggestions begin at the position of the request.
      shown = { bufnr = bufnr, client = client, items = items, index = index, row = cursor[1] - 1, col = cursor[2] }
      shown.counted = trigger == INVOKED and #items > 1
      draw()
    end
  end, bufnr)
  this.id = sent and id or nil
  -- Not before: with a request Neovim sends the changes, by which the server knows if its work for the last is of use.
  cancel(previous)
end

function M.accept(piece)
  local it, rest = shown, M.rest()
  if not it or not rest then
    return
  end
  cancel(request)
  ghost.insert(piece)
  if #piece < #rest then
    draw()
    return
  end
  clear()
  shown = nil
  local command = it.items[it.index].command
  if command then
    it.client:exec_cmd(command, { bufnr = it.bufnr })
  end
end

function M.cycle(count)
  if not shown or not M.rest() or #shown.items < 2 then
    local client = vim.lsp.get_clients({ name = require("nano.client").NAME, bufnr = 0 })[1]
    if client and in_insert_mode() then
      send_request(client, INVOKED, M.rest() and count or 0)
    end
    return
  end
  for _ = 1, #shown.items do -- the typed text may match only some
    shown.index = (shown.index - 1 + count) % #shown.items + 1
    if M.rest() then
      break
    end
  end
  shown.counted = true
  draw()
end

function M.dismiss()
  cancel(request)
  clear()
  shown = nil
end

local function leave()
  M.dismiss()
  requested = nil
end

function M.attach(client, bufnr)
  define_highlights()
  local group = vim.api.nvim_create_augroup("nano.ghost_text." .. bufnr, {})
  local events = { "InsertEnter", "CursorMovedI", "TextChangedI", "TextChangedP", "CompleteChanged" }
  vim.api.nvim_create_autocmd(events, {
    group = group,
    buffer = bufnr,
    callback = vim.schedule_wrap(function() -- at InsertEnter it is not Insert mode yet
      if vim.api.nvim_get_current_buf() ~= bufnr or not in_insert_mode() then
        return
      end
      local rest = M.rest()
      if rest and not ghost.continues_entry(rest) then
        M.dismiss()
      end
      local drawn, state = draw(), state_of(bufnr)
      if not drawn and state ~= requested and not client:is_stopped() then
        requested = state
        send_request(client, AUTOMATIC, 0)
      end
    end),
  })
  vim.api.nvim_create_autocmd({ "InsertLeave", "BufLeave" }, { group = group, buffer = bufnr, callback = leave })
  vim.api.nvim_create_autocmd("ColorScheme", { group = group, callback = define_highlights })
  require("nano.client").on_detach(client, bufnr, group, leave)
end

return M
