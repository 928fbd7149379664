--- The language client: configuration, handlers of the server's messages, and restarts.
local options = require("nano.config")
local status = require("nano.status")

local M = {}

M.NAME = "nano" -- set by `setup`
M.ROOT_MARKERS = { "pyproject.toml", "setup.py", "package.json", "Cargo.toml", "go.mod", ".git" }

local MAX_CRASHES = 3
local CRASH_WINDOW_MS = 5 * 60 * 1000
local SIGTERM = 15
local STOP_TIMEOUT_MS = 3000 -- before the server is killed
local RESTART_DELAY_MS = 500 -- before the server is restarted, times the number of crashes

---@type table<string|integer, fun(value: table)>  handlers of partial results, by token
M.streams = {}

local crashes = {} ---@type integer[]  times of crashes in ms
local initialized = false
local restarting = false
local missing_reported = false

---@return vim.lsp.Client?
function M.get()
  return vim.iter(vim.lsp.get_clients({ name = M.NAME })):find(function(client)
    return not client:is_stopped()
  end)
end

--- The client of a buffer; notifies the user if there is none.
---@param bufnr integer
---@return vim.lsp.Client?
function M.get_for_buffer(bufnr)
  local client = vim.lsp.get_clients({ name = M.NAME, bufnr = bufnr })[1]
  if not client then
    status.notify("no server is attached to this buffer; see :checkhealth nano.", vim.log.levels.WARN)
  end
  return client
end

---@return boolean
local function is_installed()
  local cmd = options.command()
  if vim.fn.executable(cmd[1]) == 1 then
    return true
  end
  local remedy = "Install nano-lsp, or set `cmd`; see :help nano-install."
  status.set({ state = "error", message = cmd[1] .. " cannot be run.", remedy = remedy })
  if not missing_reported then
    missing_reported = true
    status.notify(cmd[1] .. " cannot be run; see :help nano-install.", vim.log.levels.ERROR)
  end
  return false
end

--- Handle the exit of the server's process.
---@param code integer
---@param signal integer
local function on_exit(code, signal)
  if vim.v.exiting ~= vim.NIL then
    return
  elseif restarting then
    restarting = false
    vim.lsp.enable(M.NAME)
    return
  elseif signal == SIGTERM or (initialized and code == 0 and signal == 0) then -- stopped on purpose
    status.set({ state = "off", message = "No server is running." })
    return
  end
  local now = vim.uv.now()
  crashes = vim.tbl_filter(function(at)
    return now - at < CRASH_WINDOW_MS
  end, crashes)
  crashes[#crashes + 1] = now
  local reason = signal ~= 0 and ("signal %d"):format(signal) or ("exit code %d"):format(code)
  if #crashes > MAX_CRASHES then
    local remedy = "See :Nano log, then :Nano restart."
    status.set({ state = "error", message = ("The server keeps crashing (%s)."):format(reason), remedy = remedy })
    status.notify("the server keeps crashing. " .. remedy, vim.log.levels.ERROR)
    return
  end
  status.set({ state = "starting", message = ("The server crashed (%s) and is being restarted."):format(reason) })
  status.notify(("the server crashed (%s) and is being restarted."):format(reason), vim.log.levels.WARN)
  vim.defer_fn(function()
    if not M.get() then
      vim.lsp.enable(M.NAME)
    end
  end, RESTART_DELAY_MS * #crashes)
end

---@param dispatchers vim.lsp.rpc.Dispatchers
---@return vim.lsp.rpc.PublicClient
local function start(dispatchers)
  local default_on_exit = dispatchers.on_exit
  dispatchers.on_exit = function(code, signal)
    vim.schedule(function()
      on_exit(code, signal)
    end)
    default_on_exit(0, 0) -- reported as success: Neovim's own message would wait for Enter while the user types
  end
  initialized = false
  status.set({ state = "starting", message = "The server is starting." })
  return vim.lsp.rpc.start(options.command(), dispatchers)
end

---@type table<string, lsp.Handler>
local handlers = {
  ["nano/status"] = function(_, params)
    if params.state == "paused" then
      require("nano").dismiss()
    end
    status.set(params)
  end,
  ["$/progress"] = function(err, params, context)
    local stream = M.streams[params.token]
    if stream then
      stream(params.value)
    else
      vim.lsp.handlers["$/progress"](err, params, context)
    end
  end,
  ["window/showMessage"] = function(_, params)
    local levels = vim.log.levels
    status.notify(params.message, ({ levels.ERROR, levels.WARN })[params.type] or levels.INFO)
  end,
}

--- When a client leaves a buffer, call a function and remove the autocommands of a group.
---@param client vim.lsp.Client
---@param bufnr integer
---@param group integer
---@param leave? fun()
function M.on_detach(client, bufnr, group, leave)
  vim.api.nvim_create_autocmd("LspDetach", {
    group = group,
    buffer = bufnr,
    callback = function(args)
      if args.data.client_id == client.id then
        if leave then
          leave()
        end
        vim.api.nvim_del_augroup_by_id(group)
      end
    end,
  })
end

--- Tell the server where the cursor is: if it rests there, the model reads the code around it before the first key.
---@param client vim.lsp.Client
---@param bufnr integer
local function report_cursor(client, bufnr)
  local group = vim.api.nvim_create_augroup("nano_cursor_" .. bufnr, {})
  local function report()
    if vim.api.nvim_get_current_buf() == bufnr then
      local params = vim.lsp.util.make_position_params(0, client.offset_encoding)
      client:notify("nano/didMoveCursor", { uri = params.textDocument.uri, position = params.position })
    end
  end
  vim.api.nvim_create_autocmd({ "BufEnter", "CursorMoved" }, { group = group, buffer = bufnr, callback = report })
  M.on_detach(client, bufnr, group)
  report()
end

---@param config nano.Config
---@return vim.lsp.Config
function M.lsp_config(config)
  return {
    cmd = start,
    filetypes = config.filetypes,
    root_dir = function(bufnr, on_dir)
      if is_installed() then
        on_dir(vim.fs.root(bufnr, M.ROOT_MARKERS))
      end
    end,
    -- One server for all workspaces: each server loads a model of a gigabyte.
    reuse_client = function(client, wanted)
      return client.name == wanted.name and not client:is_stopped()
    end,
    capabilities = { textDocument = { inlineCompletion = { dynamicRegistration = false } } },
    settings = { nano = config.settings },
    handlers = handlers,
    on_init = function()
      initialized = true
    end,
    on_attach = function(client, bufnr)
      require("nano.ghost").attach(client, bufnr)
      require("nano.next_edit").attach(client, bufnr)
      report_cursor(client, bufnr)
    end,
  }
end

---@param config nano.Config
function M.setup(config)
  missing_reported = false
  M.NAME = config.name
  vim.lsp.config(M.NAME, M.lsp_config(config))
  vim.lsp.enable(M.NAME)
end

--- Stop the server if it is running, and start it.
function M.restart()
  crashes, missing_reported = {}, false
  local client = M.get()
  if not client then
    vim.lsp.enable(M.NAME)
    return
  end
  restarting = true
  client:stop()
  vim.defer_fn(function()
    if not client:is_stopped() then
      client:stop(true)
    end
  end, STOP_TIMEOUT_MS)
end

return M
