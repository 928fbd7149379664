--- `:checkhealth nano`
local M = {}

local health = vim.health

--- Run `nano-lsp` with other arguments.
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
    local advice = "Install nano-lsp, or set its path in `cmd`: :help nano-install"
    health.error(cmd[1] .. " cannot be run.", { advice })
    return
  end
  local found = run("doctor", "--no-load", "--json")
  local ok, findings = pcall(vim.json.decode, found and found.stdout or "")
  if not ok or type(findings) ~= "table" then
    health.error(table.concat(cmd, " ") .. " is not nano-lsp.", { vim.trim(found and found.stderr or "") })
    return
  end
  for _, finding in ipairs(findings) do
    local text = ("%s: %s"):format(finding.title, finding.detail)
    if finding.level == "ok" then
      health.ok(text)
    else
      local advice = finding.remedy ~= "" and { finding.remedy } or {}
      health[finding.level == "problem" and "error" or "warn"](text, advice)
    end
  end
end

local function check_server()
  local status = require("nano.status").current
  if not vim.lsp.is_enabled(require("nano.client").NAME) then
    health.warn("The language server is not enabled.", { 'Put require("nano").setup() into init.lua.' })
  elseif not require("nano.client").get() then
    health.info("No server is running; it starts with the first file of `filetypes`. " .. status.message)
  elseif status.state == "error" then
    health.error(status.message, { status.remedy })
  else
    health.ok(("The server is running and %s. %s"):format(status.state, status.message))
  end
end

local function check_keys()
  for key, action in pairs(require("nano.keys").mapped) do
    local mapping = vim.fn.maparg(key, "i", false, true)
    if vim.startswith(mapping.desc or "", "nano: ") then
      health.ok(("%s: %s"):format(key, mapping.desc:sub(7)))
    else
      health.warn(("%s does not %s: it has been mapped after setup."):format(key, action:gsub("_", " a ")), {
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
