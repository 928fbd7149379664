--- Keys of Insert mode, and that of the next edit in Normal mode as well. Without a suggestion or an edit, a key keeps
--- its previous mapping.
local M = {}

-- Keys of completion menus, which have priority while a menu is shown.
local MENU_KEYS = {}
for _, key in ipairs({ "<Tab>", "<S-Tab>", "<CR>", "<C-N>", "<C-P>", "<C-Y>", "<C-E>", "<Up>", "<Down>" }) do
  MENU_KEYS[key] = true
end
local SNIPPET_JUMPS = { ["<Tab>"] = 1, ["<S-Tab>"] = -1 } -- to the next or previous placeholder of a snippet

---@class nano.Action
---@field call string  Lua code
---@field always? boolean  also if no suggestion is shown
---@field edit? boolean  for the next edit instead of a suggestion, in Normal mode as well
---@field desc string

---@type table<string, nano.Action>
local ACTIONS = {
  accept = { call = "accept('all')", desc = "accept the suggestion" },
  accept_word = { call = "accept('word')", desc = "accept a word of the suggestion" },
  accept_line = { call = "accept('line')", desc = "accept a line of the suggestion" },
  next = { call = "cycle(1)", always = true, desc = "next suggestion, or request some" },
  previous = { call = "cycle(-1)", desc = "previous suggestion" },
  dismiss = { call = "dismiss()", desc = "dismiss the suggestion and the next edit" },
  next_edit = { call = "next_edit()", edit = true, desc = "go to the next edit, or make it" },
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

--- The keys to feed for a key's previous mapping.
---@param key string
---@param mode "i"|"n"
---@return string
local function fallback(key, mode)
  local mapping = vim.fn.maparg(key, mode, false, true)
  if not vim.tbl_isempty(mapping) and mapping.buffer == 0 then
    local name = "<Plug>(nano-before-" .. key:gsub("[<>]", "") .. ")"
    mapping.lhs, mapping.lhsraw, mapping.lhsrawalt = name, vim.keycode(name), nil
    vim.fn.mapset(mapping)
    return name
  elseif key:find("^<[MA]%-") then
    return "" -- unmapped it is <Esc> and a key, which would leave Insert mode
  end
  return key
end

--- Whether a key has something to act on.
---@param action nano.Action
---@return boolean
local function is_active(action)
  local has_edit = require("nano.next_edit").is_shown()
  if action.edit then
    return has_edit
  end
  return action.always or require("nano.ghost").is_shown() or (vim.startswith(action.call, "dismiss") and has_edit)
end

---@param config nano.Config
function M.setup(config)
  for key in pairs(M.mapped) do
    pcall(vim.keymap.del, "i", key)
    pcall(vim.keymap.del, "n", key)
  end
  M.mapped = {}
  for name, given in pairs(config.keys or {}) do
    local action = ACTIONS[name]
    if given then
      local key = normalized(given)
      local is_menu_key = MENU_KEYS[key]
      M.mapped[key] = name
      for _, mode in ipairs(action.edit and { "i", "n" } or { "i" }) do
        local previous = fallback(key, mode)
        vim.keymap.set(mode, key, function()
          local menu = M.menu_is_shown()
          local jumps = SNIPPET_JUMPS[key] and vim.snippet.active({ direction = SNIPPET_JUMPS[key] })
          if (is_menu_key and menu) or jumps or not is_active(action) then
            return previous
          end
          -- Close the menu without changing the text; undo removes only the suggestion.
          local close_menu = vim.fn.pumvisible() == 1 and "<C-x><C-z>" or ""
          local undo = vim.startswith(name, "accept") and "<C-g>u" or ""
          return ("%s%s<Cmd>lua require('nano').%s<CR>"):format(close_menu, undo, action.call)
        end, { expr = true, remap = true, replace_keycodes = true, desc = "nano: " .. action.desc })
      end
    end
  end
end

return M
