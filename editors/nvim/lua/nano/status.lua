--- What the server is at, and messages to the user.
local M = {}

---@class nano.Status
---@field state "off"|"starting"|"loading"|"ready"|"busy"|"paused"|"error"
---@field message string
---@field remedy string  what the user can do about an error; empty for nothing
---@field share number  of the loading that is done, 0 to 1
---@field model string  that it has or is asked for; empty where no server runs
---@field quiet string  why `document` gets no suggestions, in a word; empty where it does
---@field document string  URI of the document of the newest request, where there is a reason

---@type nano.Status
M.current = {
  state = "off",
  message = "No server runs.",
  remedy = "",
  share = 0,
  model = "",
  quiet = "",
  document = "",
}

local HIDDEN = "confidence" -- the reason where only the newest suggestion is hidden

local BARS = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" }

--- Take over a status, redraw status lines, and fire `User NanoStatus`.
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

--- Whether the current buffer gets no suggestions, by the server's word.
---@return boolean
local function is_quiet()
  local reason = M.current.quiet
  return reason ~= "" and reason ~= HIDDEN and M.current.document == vim.uri_from_bufnr(0)
end

--- In few words, without a per cent sign: status lines read those as items.
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

--- Show a message. One that would wait for Enter is held back until Insert mode is left.
---@param text string
---@param level? integer  of `vim.log.levels`
function M.tell(text, level)
  text = "nano: " .. text
  local show = vim.schedule_wrap(function() -- in an autocommand, an error message would end what called it
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
