---@brief
---
--- https://github.com/@REPOSITORY@
---
--- An offline coding assistant: ghost text, docstrings and explanations by a small model on an ordinary CPU.
--- `nano-lsp model pull nano` downloads the model, 1.1 GB, once.
---
--- Suggestions are inline completions, which Nvim shows if they are enabled:
---
--- ```lua
--- vim.lsp.inline_completion.enable()
--- vim.keymap.set('i', '<M-l>', function() vim.lsp.inline_completion.get() end)
--- ```

---@type vim.lsp.Config
return {
  cmd = { 'nano-lsp', 'server' },
  -- stylua: ignore
  filetypes = {
    'python', 'javascript', 'javascriptreact', 'typescript', 'typescriptreact', 'c', 'cpp', 'cs', 'go', 'java',
    'kotlin', 'rust', 'swift', 'objc', 'objcpp', 'cuda', 'lua', 'ruby', 'php', 'sh', 'bash', 'zsh', 'sql', 'html',
    'vue', 'svelte', 'css', 'scss', 'less', 'json', 'jsonc', 'yaml', 'toml', 'markdown', 'dockerfile',
    'scala', 'dart', 'groovy', 'proto', 'perl', 'r', 'ps1', 'dosbatch', 'elixir', 'julia', 'haskell', 'tex', 'plaintex',
    'make', 'cmake', 'dosini',
  },
  root_markers = { 'pyproject.toml', 'setup.py', 'package.json', 'Cargo.toml', 'go.mod', '.git' },
}
