--- The server's status, and notifications.
local M = {}

---@class nano.Status
---@field state "off"|"starting"|"loading"|"ready"|"busy"|"paused"|"error"
---@field message string
---@field remedy string  what the user can do about an error; may be empty
---@field share number  progress of loading the model, 0 to 1
---@field model string  the model that is loaded or configured; empty if no server is running
---@field quiet string  reason code why `document` gets no suggestions; empty if it gets some
---@field document string  URI of the document that `quiet` is about

---@type nano.Status
M.current = {
  state = "off",
  message = "No server is running.",
  remedy = "",
  share = 0,
  model = "",
  quiet = "",
  document = "",
}

local LOW_CONFIDENCE = "confidence" -- reason code if only the newest suggestion is hidden

local BARS = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" }

--- Set the status, redraw status lines, and fire `User NanoStatus`.
---@param status table
function M.set(status)
  M.current = {
    state = status.state,
    message = status.message or "",
    remedy = status.remedy or "",
    share = status.share or 0,
    model = status.model or "",
    quiet = status.quiet or "",
    document = status.document or "",
  }
  vim.api.nvim_exec_autocmds("User", { pattern = "NanoStatus", modeline = false, data = M.current })
  vim.cmd("redrawstatus!")
end

--- Whether the server has reported why the current buffer gets no suggestions.
---@return boolean
local function is_quiet()
  local reason = M.current.quiet
  return reason ~= "" and reason ~= LOW_CONFIDENCE and M.current.document == vim.uri_from_bufnr(0)
end

--- Text for a status line, without a percent sign, which starts an item there.
---@return string
function M.text()
  local state = M.current.state
  if state == "off" then
    return ""
  elseif state == "ready" and is_quiet() then
    return "nano quiet"
  elseif state == "ready" then
    return "nano"
  elseif state == "loading" then
    return "nano " .. BARS[math.min(#BARS, 1 + math.floor(M.current.share * #BARS))]
  end
  return "nano " .. state
end

--- Notify the user. A message too long for one line, which waits for Enter, is delayed until Insert mode is left.
---@param text string
---@param level? integer  one of `vim.log.levels`
function M.notify(text, level)
  text = "nano: " .. text
  local show = vim.schedule_wrap(function() -- an error message in an autocommand would abort its caller
    vim.notify(text, level or vim.log.levels.INFO, { title = "NEURO-NANO" })
  end)
  local fits = vim.fn.strdisplaywidth(text) <= vim.v.echospace and not text:find("\n")
  if fits or not vim.startswith(vim.api.nvim_get_mode().mode, "i") then
    show()
  else
    vim.api.nvim_create_autocmd("InsertLeave", { once = true, callback = show })
  end
end

return M
