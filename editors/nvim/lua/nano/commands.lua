--- The command `:Nano` and its subcommands.
local client = require("nano.client")
local status = require("nano.status")

local M = {}

--- Execute a command of the server.
---@param command string
---@param arguments? any[]
---@param on_result? fun(result: any)
local function execute(command, arguments, on_result)
  local bufnr = vim.api.nvim_get_current_buf() -- not 0: Neovim flushes pending changes only for a buffer's own number
  local server = client.get_for_buffer(bufnr)
  if server then
    local params = { command = command, arguments = arguments or {} }
    server:request("workspace/executeCommand", params, function(err, result)
      if err then
        status.notify(err.message, vim.log.levels.ERROR)
      elseif on_result then
        on_result(result)
      end
    end, bufnr)
  end
end

--- The range of lines given to a command, or the cursor's position.
---@param args table  arguments of the callback of `nvim_create_user_command`
---@return lsp.Range
local function range_of(args)
  if args.range == 0 then
    local server = client.get()
    local position = vim.lsp.util.make_position_params(0, server and server.offset_encoding or "utf-16").position
    return { start = position, ["end"] = position }
  end
  return { start = { line = args.line1 - 1, character = 0 }, ["end"] = { line = args.line2, character = 0 } }
end

---@param title string
---@param text string
local function show(title, text)
  require("nano.float").open(title .. " · q closes"):set(text)
end

---@type table<string, fun(args: table, rest: string[])>
local COMMANDS = {
  explain = function(args)
    require("nano.explain").open(range_of(args))
  end,
  docstring = function(args)
    if not vim.bo.modifiable then
      status.notify("this buffer is not modifiable ('modifiable' is off).", vim.log.levels.WARN)
      return
    end
    execute("nano.docstring", { { uri = vim.uri_from_bufnr(0), range = range_of(args) } })
  end,
  train = function(_, rest)
    execute(rest[1] == "stop" and "nano.forgeStop" or "nano.forgeRun", { { uri = vim.uri_from_bufnr(0) } })
  end,
  pause = function()
    execute("nano.pause")
  end,
  resume = function()
    execute("nano.resume")
  end,
  model = function(_, rest)
    execute("nano.selectModel", rest)
  end,
  stats = function()
    execute("nano.showStats", {}, function(stats)
      local names = vim.tbl_keys(stats)
      table.sort(names)
      local lines = vim.tbl_map(function(name)
        local value = stats[name]
        local digits = type(value) == "number" and value % 1 ~= 0 and ("%.1f"):format(value)
        return ("%-18s %s"):format(name, digits or tostring(value))
      end, names)
      show("statistics", table.concat(lines, "\n"))
    end)
  end,
  status = function()
    local current = status.current
    show("status", vim.trim(("%s: %s\n%s"):format(current.state, current.message, current.remedy)))
  end,
  log = function()
    vim.cmd.split(vim.fn.fnameescape(vim.lsp.log.get_filename()))
    vim.cmd.normal({ "G", bang = true })
  end,
  restart = function()
    client.restart()
  end,
}

---@param args table  arguments of the callback of `nvim_create_user_command`
function M.run(args)
  local command = COMMANDS[args.fargs[1]]
  if command then
    command(args, { unpack(args.fargs, 2) })
  else
    status.notify("unknown command :Nano " .. args.fargs[1] .. "; see :help :Nano.", vim.log.levels.ERROR)
  end
end

---@param lead string
---@param line string
---@return string[]
function M.complete(lead, line)
  if line:find("Nano%s+%S+%s") then
    return {}
  end
  local names = vim.tbl_filter(function(name)
    return vim.startswith(name, lead)
  end, vim.tbl_keys(COMMANDS))
  table.sort(names)
  return names
end

return M
