--- An explanation, streamed into a floating window.
local client = require("nano.client")
local float = require("nano.float")
local status = require("nano.status")

local M = {}

local count = 0

--- Explain a range of the current buffer, or the function or class around the cursor.
---@param range lsp.Range
function M.open(range)
  local bufnr = vim.api.nvim_get_current_buf()
  local server = client.get_for_buffer(bufnr)
  if not server then
    return
  end
  count = count + 1
  local token, work_token, done = "nano-explain-" .. count, "nano-explaining-" .. count, false
  local window = float.open("explain · q closes", function()
    client.streams[token] = nil
    if not done then
      server:notify("window/workDoneProgress/cancel", { token = work_token })
    end
  end)
  window:set("…")
  client.streams[token] = function(value)
    window:set(value.text)
  end
  local request = {
    uri = vim.uri_from_bufnr(bufnr),
    range = range,
    partialResultToken = token,
    workDoneToken = work_token,
  }
  local params = { command = "nano.explain", arguments = { request } }
  server:request("workspace/executeCommand", params, function(err, text)
    done, client.streams[token] = true, nil
    if type(text) == "string" then
      window:set(text)
    else
      window:close() -- the server has shown the reason
      if err then
        status.notify(err.message, vim.log.levels.ERROR)
      end
    end
  end, bufnr)
end

return M
