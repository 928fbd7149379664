--- Keys of Insert mode. Where there is nothing to accept, a key does what it did before.
local M = {}

-- Keys that menus use: while one is shown, they are its.
local OF_MENUS = {}
for _, key in ipairs({ "<Tab>", "<S-Tab>", "<CR>", "<C-N>", "<C-P>", "<C-Y>", "<C-E>", "<Up>", "<Down>" }) do
  OF_MENUS[key] = true
end
local DIRECTIONS = { ["<Tab>"] = 1, ["<S-Tab>"] = -1 } -- in a snippet, to the next placeholder and back

---@class nano.Action
---@field call string  Lua
---@field always? boolean  also where no suggestion is shown
---@field desc string

---@type table<string, nano.Action>
local ACTIONS = {
  accept = { call = "accept('all')", desc = "accept the suggestion" },
  accept_word = { call = "accept('word')", desc = "accept a word of the suggestion" },
  accept_line = { call = "accept('line')", desc = "accept a line of the suggestion" },
  next = { call = "cycle(1)", always = true, desc = "next suggestion, or ask for some" },
  previous = { call = "cycle(-1)", desc = "previous suggestion" },
  dismiss = { call = "dismiss()", desc = "dismiss the suggestion" },
}

M.mapped = {} ---@type table<string, string>  action by key

--- Whether a completion menu is shown: Neovim's, nvim-cmp's or blink.cmp's.
---@return boolean
function M.menu_is_shown()
  if vim.fn.pumvisible() == 1 then
    return true
  end
  local cmp, blink = package.loaded["cmp"], package.loaded["blink.cmp"]
  return (cmp and cmp.visible and cmp.visible())
    or (blink and blink.is_menu_visible and blink.is_menu_visible())
    or false
end

---@param key string
---@return string
local function normalized(key)
  return vim.fn.keytrans(vim.keycode(key))
end

--- What a key does without this plugin, as keys to feed.
---@param key string
---@return string
local function before(key)
  local mapping = vim.fn.maparg(key, "i", false, true)
  if not vim.tbl_isempty(mapping) and mapping.buffer == 0 then
    local name = "<Plug>(nano-before-" .. key:gsub("[<>]", "") .. ")"
    mapping.lhs, mapping.lhsraw, mapping.lhsrawalt = name, vim.keycode(name), nil
    vim.fn.mapset(mapping)
    return name
  elseif key:find("^<[MA]%-") then
    return "" -- by itself it is <Esc> and a key, which would leave Insert mode
  end
  return key
end

---@param config nano.Config
function M.setup(config)
  for key in pairs(M.mapped) do
    pcall(vim.keymap.del, "i", key)
  end
  M.mapped = {}
  for name, given in pairs(config.keys or {}) do
    local action = ACTIONS[name]
    if given then
      local key = normalized(given)
      local otherwise, yields = before(key), OF_MENUS[key]
      M.mapped[key] = name
      vim.keymap.set("i", key, function()
        local menu = M.menu_is_shown()
        local jumps = DIRECTIONS[key] and vim.snippet.active({ direction = DIRECTIONS[key] })
        if (yields and menu) or jumps or not (action.always or require("nano.ghost").is_shown()) then
          return otherwise
        end
        -- The menu goes, and leaves the text as it is; undo takes back the suggestion alone.
        local first = vim.fn.pumvisible() == 1 and "<C-x><C-z>" or ""
        local undo = vim.startswith(name, "accept") and "<C-g>u" or ""
        return ("%s%s<Cmd>lua require('nano').%s<CR>"):format(first, undo, action.call)
      end, { expr = true, remap = true, replace_keycodes = true, desc = "nano: " .. action.desc })
    end
  end
end

return M
