class NanoLsp < Formula
  desc "Offline coding assistant: ghost text, docstrings and explanations on a CPU"
  homepage "https://github.com/@REPOSITORY@"
  url "https://github.com/@REPOSITORY@/releases/download/v@VERSION@/nano_lsp-@VERSION@.tar.gz"
  sha256 "@SHA256@"
  license "Apache-2.0"

  depends_on "python@3.13"

  def install
    system "sh", "packaging/install.sh", libexec, Formula["python@3.13"].opt_bin/"python3.13"
    bin.install_symlink libexec/"bin/nano-lsp"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/nano-lsp --version")
  end
end
