// Says what llama.cpp's context of a model takes: models and settings on standard input, bytes out.
//
//   arch NAME        a new model of that architecture
//   u32 KEY VALUE    one of its keys, without the architecture's prefix; u32s KEY N VALUES, bool, f32 KEY VALUE
//   ctx N_CTX N_SEQ_MAX N_UBATCH TYPE_K TYPE_V SWA_FULL KV_UNIFIED N_RS_SEQ FLASH_ATTN MTP
//                    a context of it: prints the bytes of its caches, or "refused"
//
// The model is made of its keys alone and nothing is allocated (no_alloc), so there are no weights.

#include "ggml.h"
#include "gguf.h"
#include "llama.h"
#include "llama-ext.h"

#include <iostream>
#include <string>
#include <vector>

static void no_data(ggml_tensor *, void *) {}

static void quiet(ggml_log_level, const char *, void *) {}

static ggml_type type_of(const std::string & name) {
    for (int type = 0; type < GGML_TYPE_COUNT; type++) {
        const char * known = ggml_type_name(ggml_type(type));
        if (known && name == known) {
            return ggml_type(type);
        }
    }
    std::cerr << "not a type: " << name << "\n";
    exit(1);
}

static std::string taken(llama_model * model) {
    llama_context_params params = llama_context_default_params();
    std::string type_k, type_v;
    std::cin >> params.n_ctx >> params.n_seq_max >> params.n_ubatch >> type_k >> type_v;
    bool flash, mtp;
    std::cin >> params.swa_full >> params.kv_unified >> params.n_rs_seq >> flash >> mtp;
    params.n_batch = 2048;
    params.type_k = type_of(type_k);
    params.type_v = type_of(type_v);
    params.flash_attn_type = flash ? LLAMA_FLASH_ATTN_TYPE_ENABLED : LLAMA_FLASH_ATTN_TYPE_DISABLED;
    params.ctx_type = mtp ? LLAMA_CONTEXT_TYPE_MTP : LLAMA_CONTEXT_TYPE_DEFAULT;
    llama_context * context = model ? llama_init_from_model(model, params) : nullptr;
    if (!context) {
        return "refused";
    }
    size_t bytes = 0;
    for (const auto & [buffer, held] : llama_get_memory_breakdown(context)) {
        bytes += held.context;
    }
    llama_free(context);
    return std::to_string(bytes);
}

int main(int argc, char **) {
    if (argc < 2) {
        llama_log_set(quiet, nullptr);
    }
    llama_backend_init();
    gguf_context * keys = nullptr;
    llama_model * model = nullptr;
    std::string word, arch, key;
    while (std::cin >> word) {
        if (word == "arch") {
            llama_model_free(model);
            gguf_free(keys);
            model = nullptr;
            keys = gguf_init_empty();
            std::cin >> arch;
            gguf_set_val_str(keys, "general.architecture", arch.c_str());
            gguf_set_val_str(keys, "tokenizer.ggml.model", "none");
        } else if (word == "u32") {
            uint32_t value;
            std::cin >> key >> value;
            gguf_set_val_u32(keys, (arch + "." + key).c_str(), value);
        } else if (word == "bool") {
            bool value;
            std::cin >> key >> value;
            gguf_set_val_bool(keys, (arch + "." + key).c_str(), value);
        } else if (word == "f32") {
            float value;
            std::cin >> key >> value;
            gguf_set_val_f32(keys, (arch + "." + key).c_str(), value);
        } else if (word == "u32s") {
            size_t count;
            std::cin >> key >> count;
            std::vector<uint32_t> values(count);
            for (uint32_t & value : values) {
                std::cin >> value;
            }
            gguf_set_arr_data(keys, (arch + "." + key).c_str(), GGUF_TYPE_UINT32, values.data(), count);
        } else if (word == "ctx") {
            if (!model) {
                llama_model_params params = llama_model_default_params();
                params.no_alloc = true;
                model = llama_model_init_from_user(keys, no_data, nullptr, params);
            }
            std::cout << taken(model) << std::endl;
        }
    }
}
