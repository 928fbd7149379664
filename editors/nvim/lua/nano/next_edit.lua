--- The next edit: shows where a change has to be made next and the text there. One key goes there and makes it.
local M = {}

local METHOD, REJECTED = "textDocument/copilotInlineEdit", "nano.nextEditRejected"
local DELAY_MS = 200 -- behind the key, so that the change reaches the server first; it waits longer itself
local MAX_DIAGNOSTICS = 100
local namespace = vim.api.nvim_create_namespace("nano.next_edit")

---@class nano.NextEdit
---@field text string
---@field range lsp.Range
---@field textDocument { uri: string, version: integer? }  no version for a file that was not open
---@field sha256 string?  digest of a file that was not open
---@field command lsp.Command

---@class nano.ShownEdit
---@field client vim.lsp.Client
---@field edit nano.NextEdit
---@field bufnr integer
---@field tick integer  the buffer's changedtick when it was shown
---@field first integer  row of its first line, from 0
---@field last integer  row of its last line

local shown ---@type nano.ShownEdit?
local request ---@type { client: vim.lsp.Client, id: integer }?
local timer = assert(vim.uv.new_timer())

local function define_highlights()
  vim.api.nvim_set_hl(0, "NanoNextEditRemoved", { default = true, link = "DiffDelete" })
  vim.api.nvim_set_hl(0, "NanoNextEditAdded", { default = true, link = "DiffAdd" })
  vim.api.nvim_set_hl(0, "NanoNextEditHint", { default = true, link = "NonText" })
end

local function clear_marks()
  for _, bufnr in ipairs(vim.api.nvim_list_bufs()) do
    vim.api.nvim_buf_clear_namespace(bufnr, namespace, 0, -1)
  end
end

local function clear()
  timer:stop()
  if request then
    request.client:cancel_request(request.id)
    request = nil
  end
  if shown then
    shown = nil
    clear_marks()
  end
end

---@param it nano.ShownEdit
---@return boolean
local function is_at(it)
  local row = vim.api.nvim_win_get_cursor(0)[1] - 1
  return vim.api.nvim_get_current_buf() == it.bufnr and row >= it.first and row <= it.last
end

--- Draw the lines that go, the lines that come, and a hint at the cursor while it is elsewhere.
local function draw()
  clear_marks()
  local it = shown
  if not it then
    return
  end
  local added = vim.tbl_map(function(line)
    return { { line == "" and " " or line, "NanoNextEditAdded" } }
  end, vim.split(it.edit.text, "\n", { plain = true }))
  for row = it.first, it.last do
    local is_last = row == it.last
    vim.api.nvim_buf_set_extmark(it.bufnr, namespace, row, 0, {
      line_hl_group = "NanoNextEditRemoved",
      virt_lines = is_last and it.edit.text ~= "" and added or nil,
    })
  end
  if not is_at(it) then
    local key = require("nano.config").current.keys.next_edit
    local file = vim.api.nvim_get_current_buf() == it.bufnr and ""
      or vim.fs.basename(vim.api.nvim_buf_get_name(it.bufnr)) .. ", "
    local hint = ("  %s: next edit in %sline %d"):format(key, file, it.first + 1)
    local row = vim.api.nvim_win_get_cursor(0)[1] - 1
    vim.api.nvim_buf_set_extmark(0, namespace, row, 0, { virt_text = { { hint, "NanoNextEditHint" } } })
  end
end

--- Whether a buffer has the text that an edit was made for.
---@param bufnr integer
---@param edit nano.NextEdit
---@return boolean
local function is_current(bufnr, edit)
  if edit.textDocument.version then
    return edit.textDocument.version == vim.lsp.util.buf_versions[bufnr]
  end
  local lines = vim.api.nvim_buf_get_lines(bufnr, 0, -1, true)
  return edit.sha256 == vim.fn.sha256(table.concat(lines, "\n"))
end

---@param client vim.lsp.Client
---@param edit nano.NextEdit
local function show(client, edit)
  local bufnr = vim.uri_to_bufnr(edit.textDocument.uri)
  if not pcall(vim.fn.bufload, bufnr) or not is_current(bufnr, edit) then
    return
  end
  local from, to = edit.range.start, edit.range["end"]
  local last = (to.line > from.line and to.character == 0) and to.line - 1 or to.line
  local tick = vim.api.nvim_buf_get_changedtick(bufnr)
  shown = { client = client, edit = edit, bufnr = bufnr, tick = tick, first = from.line, last = last }
  draw()
end

--- Where language servers have reported errors and warnings.
---@return { uri: string, range: lsp.Range }[]
local function find_diagnostics()
  local found = {}
  for _, each in ipairs(vim.diagnostic.get(nil, { severity = { min = vim.diagnostic.severity.WARN } })) do
    local sent = vim.tbl_get(each, "user_data", "lsp", "range")
    if sent and #found < MAX_DIAGNOSTICS and vim.api.nvim_buf_is_loaded(each.bufnr) then
      table.insert(found, { uri = vim.uri_from_bufnr(each.bufnr), range = sent })
    end
  end
  return found
end

---@param client vim.lsp.Client
---@param bufnr integer
local function send_request(client, bufnr)
  if vim.api.nvim_get_current_buf() ~= bufnr or client:is_stopped() or vim.snippet.active() then
    return
  end
  local params = vim.lsp.util.make_position_params(0, client.offset_encoding)
  params.textDocument = { uri = params.textDocument.uri, version = vim.lsp.util.buf_versions[bufnr] }
  params.closedFiles = true ---@diagnostic disable-line: inject-field
  params.diagnostics = find_diagnostics() ---@diagnostic disable-line: inject-field
  ---@diagnostic disable-next-line: param-type-mismatch
  local sent, id = client:request(METHOD, params, function(_, result)
    request = nil
    local edit = result and result.edits and result.edits[1]
    if edit then
      show(client, edit)
    end
  end, bufnr)
  request = sent and id and { client = client, id = id } or nil
end

--- Whether an edit is shown that still fits its buffer.
---@return boolean
function M.is_shown()
  return shown ~= nil and vim.api.nvim_buf_get_changedtick(shown.bufnr) == shown.tick
end

--- Move the cursor to the edit; if it is there already, make the edit.
---@return boolean  false if no edit is shown
function M.accept()
  local it = shown
  if not it or not M.is_shown() then
    return false
  end
  vim.schedule(function() -- the text is locked in an <expr> mapping
    if not is_at(it) then
      vim.cmd.normal({ "m'", bang = true })
      vim.api.nvim_win_set_buf(0, it.bufnr)
      vim.api.nvim_win_set_cursor(0, { it.first + 1, 0 })
      vim.cmd.normal({ "^", bang = true })
      draw()
      return
    end
    clear()
    local change = { range = it.edit.range, newText = it.edit.text }
    vim.lsp.util.apply_text_edits({ change }, it.bufnr, it.client.offset_encoding)
  end)
  return true
end

--- Hide the edit; it is not offered again.
function M.dismiss()
  local it = shown
  clear()
  if it and not it.client:is_stopped() then
    it.client:exec_cmd(
      { title = "", command = REJECTED, arguments = it.edit.command.arguments },
      { bufnr = it.bufnr }
    )
  end
end

---@param client vim.lsp.Client
---@param bufnr integer
function M.attach(client, bufnr)
  local config = require("nano.config").current
  if not config.settings.nextEdit or not config.keys or not config.keys.next_edit then
    return
  end
  define_highlights()
  local group = vim.api.nvim_create_augroup("nano.next_edit." .. bufnr, {})
  vim.api.nvim_create_autocmd({ "TextChanged", "TextChangedI", "TextChangedP" }, {
    group = group,
    buffer = bufnr,
    callback = function()
      clear()
      timer:start(
        DELAY_MS,
        0,
        vim.schedule_wrap(function()
          send_request(client, bufnr)
        end)
      )
    end,
  })
  vim.api.nvim_create_autocmd({ "CursorMoved", "CursorMovedI", "BufEnter" }, {
    group = group,
    buffer = bufnr,
    callback = function()
      if shown then
        draw()
      end
    end,
  })
  vim.api.nvim_create_autocmd("ColorScheme", { group = group, callback = define_highlights })
  require("nano.client").on_detach(client, bufnr, group, clear)
end

return M
