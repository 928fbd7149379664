--- Floating windows that show text.
local M = {}

---@class nano.Float
---@field bufnr integer
---@field winid integer
local Float = {}
Float.__index = Float

local MAX_WIDTH = 80

--- Open a window at the cursor and enter it; `q` and Escape close it.
---@param title string
---@param on_close? fun()
---@return nano.Float
function M.open(title, on_close)
  local bufnr = vim.api.nvim_create_buf(false, true)
  vim.bo[bufnr].bufhidden = "wipe"
  local winid = vim.api.nvim_open_win(bufnr, true, {
    relative = "cursor",
    row = 1,
    col = 0,
    width = math.max(20, math.min(MAX_WIDTH, vim.o.columns - 4)),
    height = 1,
    style = "minimal",
    border = "rounded",
    title = " " .. title .. " ",
  })
  vim.wo[winid].wrap, vim.wo[winid].linebreak, vim.wo[winid].conceallevel = true, true, 2
  pcall(vim.treesitter.start, bufnr, "markdown") -- where its parser is installed
  local self = setmetatable({ bufnr = bufnr, winid = winid }, Float)
  for _, key in ipairs({ "q", "<Esc>" }) do
    vim.keymap.set("n", key, function()
      self:close()
    end, { buffer = bufnr, nowait = true })
  end
  vim.api.nvim_create_autocmd("BufWipeout", {
    buffer = bufnr,
    once = true,
    callback = function()
      if on_close then
        on_close()
      end
    end,
  })
  return self
end

---@return boolean
function Float:is_open()
  return vim.api.nvim_win_is_valid(self.winid) and vim.api.nvim_win_get_buf(self.winid) == self.bufnr
end

--- Replace the window's text and adjust its height.
---@param text string
function Float:set(text)
  if not self:is_open() then
    return
  end
  vim.bo[self.bufnr].modifiable = true
  vim.api.nvim_buf_set_lines(self.bufnr, 0, -1, false, vim.split(text, "\n", { plain = true }))
  vim.bo[self.bufnr].modifiable = false
  local needed = vim.api.nvim_win_text_height(self.winid, {}).all
  vim.api.nvim_win_set_height(self.winid, math.max(1, math.min(needed, math.floor(vim.o.lines * 0.6))))
end

function Float:close()
  if self:is_open() then
    vim.api.nvim_win_close(self.winid, true)
  end
end

return M
