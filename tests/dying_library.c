// Preloaded before llama.cpp, this makes it fail like a build for another CPU. DYING_LIBRARY selects the failure:
//   dies            crashes at each batch
//   dies-repacked   crashes at each batch, if weights are repacked (buffers of AMX included)
//   dies-large      the same, for models of more than three layers only: the self-test does not detect it
//   wrong-repacked  computes wrong numbers, if weights are repacked
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static int repacked;

// The original function of llama.cpp, whose libraries Python has loaded with local symbols (RTLD_LOCAL).
static void *real_function(void *caller, const char *name) {
    Dl_info found;
    dladdr(caller, &found);
    return dlsym(dlopen(found.dli_fname, RTLD_LAZY | RTLD_NOLOAD), name);
}

static int is_on(const char *mode) {
    const char *chosen = getenv("DYING_LIBRARY");
    return chosen && strcmp(chosen, mode) == 0;
}

// llama.cpp calls this function to look up buffers that repack weights.
void *ggml_backend_reg_get_proc_address(void *reg, const char *name) {
    void *(*real)(void *, const char *) = real_function(__builtin_return_address(0), "ggml_backend_reg_get_proc_address");
    if (strcmp(name, "ggml_backend_dev_get_extra_bufts") == 0) repacked = 1;
    return real(reg, name);
}

int ggml_backend_sched_graph_compute_async(void *sched, void *graph) {
    int (*real)(void *, void *) = real_function(__builtin_return_address(0), "ggml_backend_sched_graph_compute_async");
    int (*n_nodes)(void *) = real_function(__builtin_return_address(0), "ggml_graph_n_nodes");
    if (is_on("dies") || (is_on("dies-repacked") && repacked)) raise(SIGILL);
    if (is_on("dies-large") && repacked && n_nodes(graph) > 300) raise(SIGSEGV);
    return real(sched, graph);
}

// llama.cpp reads logits with this function.
void ggml_backend_tensor_get_async(void *backend, const void *tensor, void *data, size_t offset, size_t size) {
    void (*real)(void *, const void *, void *, size_t, size_t) = real_function(__builtin_return_address(0), "ggml_backend_tensor_get_async");
    real(backend, tensor, data, offset, size);
    if (is_on("wrong-repacked") && repacked)
        for (size_t i = 0; i + 4 <= size; i += 8) *(float *) ((char *) data + i) *= 2;
}
