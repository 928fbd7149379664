--- `:checkhealth nano`
local M = {}

local health = vim.health

--- Run the server's program with other arguments.
---@param ... string
---@return vim.SystemCompleted?
local function run(...)
  local cmd = vim.tbl_filter(function(word)
    return word ~= "server"
  end, require("nano.config").command())
  local ok, process = pcall(vim.system, vim.list_extend(vim.list_slice(cmd), { ... }), { text = true })
  return ok and process:wait(30000) or nil
end

local function check_neovim()
  if vim.fn.has("nvim-0.11") == 0 then
    health.error("This Neovim is too old.", { "Install 0.11 or newer." })
    return
  end
  local kind = require("nano.ghost").kind
  health.ok(("Neovim %s, ghost text by %s"):format(tostring(vim.version()), tostring(kind or "nothing")))
end

local function check_program()
  local cmd = require("nano.config").command()
  if vim.fn.executable(cmd[1]) == 0 then
    local advice = "Install nano-lsp, or set `cmd` to where it is: :help nano-install"
    health.error(cmd[1] .. " cannot be run.", { advice })
    return
  end
  local found = run("doctor", "--no-load", "--json")
  local ok, findings = pcall(vim.json.decode, found and found.stdout or "")
  if not ok or type(findings) ~= "table" then
    health.error(table.concat(cmd, " ") .. " is no nano-lsp.", { vim.trim(found and found.stderr or "") })
    return
  end
  for _, one in ipairs(findings) do
    local text = ("%s: %s"):format(one.title, one.detail)
    if one.level == "ok" then
      health.ok(text)
    else
      health[one.level == "problem" and "error" or "warn"](text, one.remedy ~= "" and { one.remedy } or {})
    end
  end
end

local function check_server()
  local status = require("nano.status").current
  if not vim.lsp.is_enabled("nano") then
    health.warn("Nothing is started.", { 'Put require("nano").setup() into init.lua.' })
  elseif not require("nano.client").get() then
    health.info("No server runs; it starts with the first file of `filetypes`. " .. status.message)
  elseif status.state == "error" then
    health.error(status.message, { status.remedy })
  else
    health.ok(("The server runs and is %s. %s"):format(status.state, status.message))
  end
end

local function check_keys()
  for key, action in pairs(require("nano.keys").mapped) do
    local now = vim.fn.maparg(key, "i", false, true)
    if vim.startswith(now.desc or "", "nano: ") then
      health.ok(("%s: %s"):format(key, now.desc:sub(7)))
    else
      health.warn(("%s does not %s: it has been mapped since."):format(key, action:gsub("_", " a ")), {
        "Choose another key (`keys`), or call require('nano').accept() from that map: :help nano-menus",
      })
    end
  end
end

function M.check()
  health.start("Neovim")
  check_neovim()
  health.start("nano-lsp")
  check_program()
  health.start("Server")
  check_server()
  health.start("Keys")
  check_keys()
end

return M
