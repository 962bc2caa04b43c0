#include "pentanet/timing.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <stdexcept>

namespace pentanet {
namespace {

constexpr int least_rounds = 3;
constexpr double probe_seconds = 5e-3;  // of one multiply probe, at least: long beside waking the threads

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

template <class Work>
double seconds_of(Work&& work) {
    const double start = now();
    work();
    return now() - start;
}

// Calls round(record) until the time is over: first once with a record that is thrown away, to warm up.
template <class Record, class Round>
Record repeat(double seconds, Round round) {
    Record warm_up, record;
    round(warm_up);
    const double start = now();
    for (int done = 0; done < least_rounds || now() - start < seconds; ++done) round(record);
    return record;
}

// Activations that use the whole range of int8.
std::vector<float> ramp(std::size_t size) {
    std::vector<float> x(size);
    for (std::size_t i = 0; i < size; ++i) x[i] = static_cast<float>(static_cast<int>(i * 37 % 255) - 127) / 127.0f;
    return x;
}

// y = W x for matrices that share an input, which is rounded once, as a session does it.
void multiply_all(std::span<const MatrixRef> matrices, const float* x, float* y, const Isa& isa, Pool& pool) {
    std::optional<Activations> rounded;
    for (const MatrixRef& matrix : matrices) {
        if (const auto* coded = std::get_if<CodedMatrix>(matrix.get())) {
            if (!rounded) rounded = Activations::quantize(x, 1, coded->cols(), Rounding::int8, isa, pool);
            linear(*coded, *rounded, y, pool);
        } else {
            linear(std::get<PlainMatrix>(*matrix), x, 1, y, pool);
        }
    }
}

// The products of one token with all matrices of a model.
void all_linears(const Model& model, const float* x, float* y, Pool& pool) {
    const auto multiply = [&](std::span<const MatrixRef> matrices) { multiply_all(matrices, x, y, *model.isa, pool); };
    for (const Layer& layer : model.layers) {
        multiply(layer.qkv);
        multiply({&layer.attention_out, 1});
        multiply(layer.up);
        multiply({&layer.down, 1});
    }
    multiply({&model.head, 1});
}

std::vector<std::int32_t> some_ids(int count, int vocab) {
    std::vector<std::int32_t> ids;
    for (int i = 0; i < count; ++i) ids.push_back(static_cast<std::int32_t>(std::int64_t{i} * 7919 % vocab));
    return ids;
}

// Tokens for the first sequence of a session.
void append(Session& session, std::span<const std::int32_t> ids, std::vector<float>& logits) {
    const Part part{0, ids};
    session.forward({&part, 1}, false, logits.data());
}

void require_room(const Session& session, int tokens) {
    if (tokens < 1 || tokens > session.model().context)
        throw std::invalid_argument("no tokens, or more than the context");
}

}  // namespace

Timing::Timing(const Isa& isa, int threads, std::size_t bytes)
    : isa_(&isa), pool_(std::max(threads, 1)), buffer_((bytes + probe_block - 1) / probe_block * probe_block) {
    std::fill_n(buffer_.data(), buffer_.size(), std::uint8_t{1});  // a page that was never written is not in memory
    const auto probe = [&] { return seconds_of([&] { isa.probes.multiply(probe_rounds_); }); };
    while (std::min({probe(), probe(), probe()}) < probe_seconds)
        probe_rounds_ *= 2;  // the least: others may interrupt
}

double Timing::read() {
    std::atomic<std::uint64_t> sum{0};
    const double seconds = seconds_of([&] {
        pool_.run(buffer_.size() / probe_block, [&](std::size_t begin, std::size_t end) {
            sum ^= isa_->probes.read(buffer_.data() + begin * probe_block, (end - begin) * probe_block);
        });
    });
    return static_cast<double>(buffer_.size()) / seconds;
}

double Timing::multiply() {
    std::atomic<std::int64_t> done{0};
    const double seconds = seconds_of([&] {
        pool_.run(static_cast<std::size_t>(threads()), [&](std::size_t begin, std::size_t end) {
            for (std::size_t part = begin; part < end; ++part) done += isa_->probes.multiply(probe_rounds_);
        });
    });
    return 2.0 * static_cast<double>(done) / seconds;
}

Timing::Products Timing::products(std::span<const CodedMatrix* const> matrices, int tokens, bool against_read,
                                  double seconds) {
    if (matrices.empty() || tokens < 1) throw std::invalid_argument("nothing to multiply");
    std::size_t cols = 0, rows = 0;
    for (const CodedMatrix* matrix : matrices) {
        cols = std::max(cols, static_cast<std::size_t>(matrix->cols()));
        rows = std::max(rows, static_cast<std::size_t>(matrix->rows()));
    }
    const std::vector<float> x = ramp(cols * static_cast<std::size_t>(tokens));
    std::vector<float> y(rows * static_cast<std::size_t>(tokens));
    return repeat<Products>(seconds, [&](Products& record) {
        record.limit.push_back(against_read ? read() : multiply());
        record.seconds.push_back(seconds_of([&] {
            for (const CodedMatrix* matrix : matrices)
                linear(*matrix,
                       Activations::quantize(x.data(), tokens, matrix->cols(), Rounding::int8, matrix->isa(), pool_),
                       y.data(), pool_);
        }));
    });
}

Timing::Decoding Timing::decode(Session& session, int past, int tokens, double seconds) {
    const Model& model = session.model();
    require_room(session, past + tokens);
    std::vector<float> logits(static_cast<std::size_t>(model.vocab()));
    session.truncate(0, 0);
    append(session, some_ids(past, model.vocab()), logits);
    const auto choose = [&] {
        return static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    };
    const std::int32_t first = choose();
    const std::vector<float> x =
        ramp(static_cast<std::size_t>(std::max({model.width, model.hidden(), model.query_width()})));
    const int widest =
        std::max({model.vocab(), model.width, model.hidden(), model.query_width() + 2 * model.kv_width()});
    std::vector<float> y(static_cast<std::size_t>(widest));
    return repeat<Decoding>(seconds, [&](Decoding& record) {
        record.read.push_back(read());
        session.truncate(0, past);
        record.seconds.push_back(seconds_of([&] {
                                     std::int32_t next = first;
                                     for (int token = 0; token < tokens; ++token) {
                                         append(session, {&next, 1}, logits);
                                         next = choose();
                                     }
                                 }) /
                                 tokens);
        record.linears.push_back(seconds_of([&] {
                                     for (int token = 0; token < tokens; ++token)
                                         all_linears(model, x.data(), y.data(), pool_);
                                 }) /
                                 tokens);
    });
}

Timing::Prompt Timing::prompt(Session& session, int tokens, double seconds) {
    const Model& model = session.model();
    require_room(session, tokens);
    const std::vector<std::int32_t> ids = some_ids(tokens, model.vocab());
    std::vector<float> logits(static_cast<std::size_t>(model.vocab()));
    return repeat<Prompt>(seconds, [&](Prompt& record) {
        record.multiply.push_back(multiply());
        session.truncate(0, 0);
        record.seconds.push_back(seconds_of([&] { append(session, ids, logits); }));
    });
}

}  // namespace pentanet
