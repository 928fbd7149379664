--- Options of `setup`: defaults and validation.
local M = {}

---@class nano.Keys  keys of Insert mode; false maps none
---@field accept? string|false  the whole suggestion
---@field accept_word? string|false
---@field accept_line? string|false
---@field next? string|false  the next alternative; requests suggestions if none is shown
---@field previous? string|false
---@field dismiss? string|false
---@field next_edit? string|false  go to the next edit, or make it; in Normal mode, too

---@class nano.Options
---@field name? string  name of the language client
---@field cmd? string[]  command that starts the server
---@field filetypes? string[]  file types that get suggestions
---@field settings? table<string, any>  the server's settings: `model`, `latencyMs`, …
---@field ghost_text? "auto"|"builtin"|"extmarks"|false  renderer of suggestions
---@field keys? nano.Keys|false

---@class nano.Config : nano.Options
---@field name string
---@field cmd string[]
---@field filetypes string[]
---@field settings table<string, any>
---@field ghost_text "auto"|"builtin"|"extmarks"|false
---@field keys nano.Keys|false

---@type nano.Config
M.defaults = {
  name = "nano",
  cmd = { "nano-lsp", "server" },
  -- stylua: ignore
  filetypes = {
    "python", "javascript", "javascriptreact", "typescript", "typescriptreact", "c", "cpp", "cs", "go", "java",
    "kotlin", "rust", "swift", "objc", "objcpp", "cuda", "lua", "ruby", "php", "sh", "bash", "zsh", "sql", "html",
    "vue", "svelte", "css", "scss", "less", "json", "jsonc", "yaml", "toml", "markdown", "dockerfile",
    "scala", "dart", "groovy", "proto", "perl", "r", "ps1", "dosbatch", "elixir", "julia", "haskell", "tex", "plaintex",
    "make", "cmake", "dosini",
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
    next_edit = "<M-e>",
  },
}

---@type nano.Config
M.current = M.defaults

local GHOST_TEXT = { auto = true, builtin = true, extmarks = true, [false] = true }

---@param given table
---@return string[] errors
local function remove_invalid(given)
  local errors = {}
  local function expect(name, value, is_valid, expected)
    if value ~= nil and not is_valid then
      errors[#errors + 1] = ("%s must be %s, not %s"):format(
        name,
        expected,
        vim.inspect(value, { newline = " ", indent = "" })
      )
      given[name] = nil
    end
  end
  for _, name in ipairs(vim.tbl_keys(given)) do
    if M.defaults[name] == nil then
      errors[#errors + 1] = "unknown option " .. tostring(name)
      given[name] = nil
    end
  end
  local function is_string_list(value)
    return vim.islist(value) and vim.iter(value):all(function(item)
      return type(item) == "string"
    end)
  end
  expect("name", given.name, type(given.name) == "string" and given.name ~= "", "a text")
  expect("cmd", given.cmd, is_string_list(given.cmd) and #given.cmd > 0, "a list of strings")
  expect("filetypes", given.filetypes, is_string_list(given.filetypes), "a list of strings")
  expect("settings", given.settings, type(given.settings) == "table", "a table")
  expect("ghost_text", given.ghost_text, GHOST_TEXT[given.ghost_text], '"auto", "builtin", "extmarks" or false')
  expect("keys", given.keys, given.keys == false or type(given.keys) == "table", "a table or false")
  for name, key in pairs(type(given.keys) == "table" and given.keys or {}) do
    if M.defaults.keys[name] == nil then
      errors[#errors + 1] = "unknown key " .. tostring(name)
      given.keys[name] = nil
    elseif key ~= false and type(key) ~= "string" then
      errors[#errors + 1] = ("the key %s must be a string or false"):format(name)
      given.keys[name] = nil
    end
  end
  return errors
end

--- Set the options. Invalid ones are reported, and replaced by their defaults.
---@param options nano.Options
---@return nano.Config
function M.set(options)
  local given = vim.deepcopy(options)
  for _, message in ipairs(remove_invalid(given)) do
    require("nano.status").notify(message .. ".", vim.log.levels.WARN)
  end
  M.current = vim.tbl_deep_extend("force", M.defaults, given)
  -- Lists are replaced, not merged.
  M.current.cmd = given.cmd or M.defaults.cmd
  M.current.filetypes = given.filetypes or M.defaults.filetypes
  return M.current
end

--- Path of `nano-lsp` in the virtual environment shared by all editors, which a bundle's install.py creates.
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

--- The command that starts the server: `cmd`, or the shared environment's program if PATH has none.
---@return string[]
function M.command()
  local cmd = vim.list_slice(M.current.cmd)
  if cmd[1] == M.defaults.cmd[1] and vim.fn.executable(cmd[1]) == 0 and vim.fn.executable(shared_program()) == 1 then
    cmd[1] = shared_program()
  end
  return cmd
end

return M
