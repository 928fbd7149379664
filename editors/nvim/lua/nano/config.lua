--- The options, their defaults, and what is said of those that cannot be used.
local M = {}

---@class nano.Keys  insert mode; false leaves a key alone
---@field accept? string|false  the whole suggestion
---@field accept_word? string|false
---@field accept_line? string|false
---@field next? string|false  the next suggestion; asks for some where none is shown
---@field previous? string|false
---@field dismiss? string|false

---@class nano.Options
---@field cmd? string[]  starts the server
---@field filetypes? string[]  that get suggestions
---@field settings? table<string, any>  of the server: `model`, `latencyMs`, …
---@field ghost_text? "auto"|"builtin"|"extmarks"|false  what draws suggestions
---@field keys? nano.Keys|false

---@class nano.Config : nano.Options
---@field cmd string[]
---@field filetypes string[]
---@field settings table<string, any>
---@field ghost_text "auto"|"builtin"|"extmarks"|false
---@field keys nano.Keys|false

---@type nano.Config
M.defaults = {
  cmd = { "nano-lsp", "server" },
  -- stylua: ignore
  filetypes = {
    "python", "javascript", "javascriptreact", "typescript", "typescriptreact", "c", "cpp", "cs", "go", "java",
    "kotlin", "rust", "swift", "lua", "sql", "ruby", "sh", "bash", "zsh", "yaml", "toml",
  },
  settings = {},
  ghost_text = "auto",
  keys = {
    accept = "<M-l>",
    accept_word = "<M-Right>",
    accept_line = "<M-Down>",
    next = "<M-]>",
    previous = "<M-[>",
    dismiss = "<C-]>",
  },
}

---@type nano.Config
M.current = M.defaults

local GHOST_TEXT = { auto = true, builtin = true, extmarks = true, [false] = true }

---@param given table
---@return string[] objections
local function check(given)
  local found = {}
  local function expect(name, value, fits, wanted)
    if value ~= nil and not fits then
      found[#found + 1] = ("%s takes %s, not %s"):format(
        name,
        wanted,
        vim.inspect(value, { newline = " ", indent = "" })
      )
      given[name] = nil
    end
  end
  for _, name in ipairs(vim.tbl_keys(given)) do
    if M.defaults[name] == nil then
      found[#found + 1] = "there is no option " .. tostring(name)
      given[name] = nil
    end
  end
  local function texts(value)
    return vim.islist(value) and vim.iter(value):all(function(item)
      return type(item) == "string"
    end)
  end
  expect("cmd", given.cmd, texts(given.cmd) and #given.cmd > 0, "a list of texts")
  expect("filetypes", given.filetypes, texts(given.filetypes), "a list of texts")
  expect("settings", given.settings, type(given.settings) == "table", "a table")
  expect("ghost_text", given.ghost_text, GHOST_TEXT[given.ghost_text], '"auto", "builtin", "extmarks" or false')
  expect("keys", given.keys, given.keys == false or type(given.keys) == "table", "a table or false")
  for name, key in pairs(type(given.keys) == "table" and given.keys or {}) do
    if M.defaults.keys[name] == nil then
      found[#found + 1] = "there is no key " .. tostring(name)
      given.keys[name] = nil
    elseif key ~= false and type(key) ~= "string" then
      found[#found + 1] = ("the key %s takes a text or false"):format(name)
      given.keys[name] = nil
    end
  end
  return found
end

--- Take options over; those that cannot be used are named, and their defaults are used.
---@param options nano.Options
---@return nano.Config
function M.set(options)
  local given = vim.deepcopy(options)
  for _, objection in ipairs(check(given)) do
    require("nano.status").tell(objection .. ".", vim.log.levels.WARN)
  end
  M.current = vim.tbl_deep_extend("force", M.defaults, given)
  -- Lists are replaced, not merged.
  M.current.cmd = given.cmd or M.defaults.cmd
  M.current.filetypes = given.filetypes or M.defaults.filetypes
  return M.current
end

--- `nano-lsp` in the virtual environment that all editors of a user share: where a bundle's install.py puts it.
---@return string
local function shared_program()
  if vim.fn.has("win32") == 1 then
    return vim.fs.joinpath(
      vim.env.LOCALAPPDATA or vim.fs.normalize("~/AppData/Local"),
      "nano-lsp/venv/Scripts/nano-lsp.exe"
    )
  elseif vim.fn.has("mac") == 1 then
    return vim.fs.normalize("~/Library/Application Support/nano-lsp/venv/bin/nano-lsp")
  end
  local data = (vim.env.XDG_DATA_HOME or "") ~= "" and vim.env.XDG_DATA_HOME or vim.fs.normalize("~/.local/share")
  return vim.fs.joinpath(data, "nano-lsp/venv/bin/nano-lsp")
end

--- What starts the server: `cmd`, with the shared environment's program where PATH has none.
---@return string[]
function M.command()
  local cmd = vim.list_slice(M.current.cmd)
  if cmd[1] == M.defaults.cmd[1] and vim.fn.executable(cmd[1]) == 0 and vim.fn.executable(shared_program()) == 1 then
    cmd[1] = shared_program()
  end
  return cmd
end

return M
