/* SPDX-License-Identifier: Apache-2.0
 *
 * rill.hpp - rill.h for C++17 and later, in one header: handles that close themselves, texts and
 * bytes as views, lambdas as callbacks, ranges, and with C++20 coroutines. What a call does, when
 * it fails and what an option means stands in rill.h; this page says only what is different here.
 *
 *     rill::bus bus("mem:");
 *     rill::sub sub = bus.subscribe("greet.*");
 *     bus.publish("greet.world", "hello");
 *     if (auto m = sub.next(1s)) std::cout << m->subject() << ": " << m->data() << '\n';
 *
 * Names      rill_noun_verb() is noun.verb(): rill_kv_put() is kv.put(), and rill_stream_ensure(),
 *            rill_group_status(), rill_store_check() are bus.stream_ensure() and so on.
 * Errors     A call that fails throws rill::error, which has the code and rill_errmsg(). Its other
 *            form ends in a std::error_code, which it sets, or clears, instead; what stands before
 *            that is given then: bus.publish("a", "b", nullptr, ec). rill::why() is the sentence.
 *            Both compare with rill::errc and, where there is one, std::errc. What no peer and no
 *            store has caused is thrown in either form: want of memory of C++, a text with a 0
 *            inside, an access to a message that is not there any more.
 * Nothing    That no message came in time, or that a key is not there, is no failure of next(),
 *            read() and kv.get(): they return nothing, and a std::error_code says why.
 * Handles    They are moved, not copied. One that is closed, moved from or empty answers
 *            errc::closed. They may end in any order. A bus, broker or forward has close(), which
 *            takes a time and says what went wrong; its destructor waits for close_ms at most, and
 *            has nobody to tell. A bus that ends in a callback of its own cannot be closed there:
 *            close() says errc::deadlock, and a destructor has to leave it open for good.
 * Messages   A rill::loan is a message that rill lends, up to the next read of its subscription or
 *            to the end of its callback. Used after that it throws errc::invalid, even when its
 *            subscription is gone; keep() makes a rill::message of it, which is the program's own.
 * Callbacks  Anything that can be called. What it throws does not cross rill: it is kept, the first
 *            of a bus, and poll(), flush(), drain() and close() throw it on when they are done
 *            (with a std::error_code they set errc::thrown); caught() takes it out. A message whose
 *            callback threw is given back as by rill_nak(m, 0), if it is one to be acked. What the
 *            function of a listing throws ends the listing, and is thrown on by the call.
 * Options    The structs of rill.h: with C++20 RILL_OPTS(rill_sub_opts, .group = "w"), or
 *            rill::opts<rill_sub_opts> o; o.group = "w"; in C++17. on_msg, on_event, dial and arg
 *            are left alone in them when a lambda is given.
 * Length     One header, since one is what a program has to carry along.
 * Times      A wait is a number of ms as in C, or a std::chrono::duration, rounded up;
 *            rill::forever. */
#ifndef RILL_HPP
#define RILL_HPP

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>
#if __cplusplus >= 202002L
#include <version>
#endif
#if defined(__cpp_lib_ranges)
#include <ranges>
#endif
#if defined(__cpp_impl_coroutine) && defined(__cpp_lib_coroutine)
#include <coroutine>
#define RILL_HPP_COROUTINES 1
#endif

#include "rill.h"

namespace rill {

inline constexpr int close_ms = 5000; /* what a destructor waits for rill_close() and the like */

/* ---- Errors ---- */

enum class errc : int {
    ok = RILL_OK,
    no_memory = RILL_ENOMEM, invalid = RILL_EINVAL, again = RILL_EAGAIN,
    timed_out = RILL_ETIMEDOUT, closed = RILL_ECLOSED, busy = RILL_EBUSY,
    deadlock = RILL_EDEADLK, not_supported = RILL_ENOTSUP, not_found = RILL_ENOENT,
    exists = RILL_EEXIST, conflict = RILL_ECONFLICT, no_reply = RILL_ENOREPLY,
    too_big = RILL_ETOOBIG, full = RILL_EFULL, auth = RILL_EAUTH, no_connection = RILL_ECONN,
    protocol = RILL_EPROTO, io = RILL_EIO, corrupt = RILL_ECORRUPT, fenced = RILL_EFENCED,
    bug = RILL_EBUG, unsure = RILL_EUNSURE, canceled = RILL_ECANCELED,
    thrown = 1, /* of this header alone: a callback threw, see bus.caught() */
};

} // namespace rill
template <> struct std::is_error_code_enum<rill::errc> : std::true_type {};
namespace rill {

class error_category final : public std::error_category {
public:
    const char *name() const noexcept override { return "rill"; }
    std::string message(int code) const override
    {
        return code == static_cast<int>(errc::thrown) ? "a callback threw" : rill_strerror(code);
    }
    std::error_condition default_error_condition(int code) const noexcept override
    {
        switch (code) {
        case RILL_ENOMEM: return std::errc::not_enough_memory;
        case RILL_EINVAL: return std::errc::invalid_argument;
        case RILL_EAGAIN: return std::errc::resource_unavailable_try_again;
        case RILL_ETIMEDOUT: return std::errc::timed_out;
        case RILL_EBUSY: return std::errc::device_or_resource_busy;
        case RILL_EDEADLK: return std::errc::resource_deadlock_would_occur;
        case RILL_ENOTSUP: return std::errc::not_supported;
        case RILL_EAUTH: return std::errc::permission_denied;
        case RILL_ECONN: return std::errc::not_connected;
        case RILL_EPROTO: return std::errc::protocol_error;
        case RILL_EIO: return std::errc::io_error;
        default: return {code, *this};
        }
    }
};

inline const std::error_category &category() noexcept
{
    static const error_category it;
    return it;
}
inline std::error_code make_error_code(errc code) noexcept
{
    return {static_cast<int>(code), category()};
}

/* The sentence of this thread's last failure. */
inline const char *why() noexcept { return rill_errmsg(); }

class error : public std::system_error {
public:
    error(int code, const std::string &sentence)
        : std::system_error(code, category()), sentence_(sentence)
    {
    }
    const char *what() const noexcept override { return sentence_.what(); }
    const char *name() const noexcept { return rill_errname(code().value()); } /* "ETIMEDOUT" */

private:
    std::runtime_error sentence_; /* a text that is copied without throwing */
};

#if defined(__GNUC__)
#define RILL_HPP_SELDOM [[gnu::noinline, gnu::cold]] /* out of the way of what goes well */
#else
#define RILL_HPP_SELDOM
#endif

namespace detail {
[[noreturn]] RILL_HPP_SELDOM inline void raise(int code, const char *sentence)
{
    throw error(code, sentence);
}
[[noreturn]] RILL_HPP_SELDOM inline void raise_closed(const char *what)
{
    throw error(RILL_ECLOSED, std::string("the ") + what + " is closed or moved from");
}
} // namespace detail

/* How a call tells a failure: by an exception, or by the caller's std::error_code. */
class errors {
public:
    errors() = default;
    errors(std::error_code &code) noexcept : code_(&code) {}

    /* `rc`, of a call with `handle`, a `what`. */
    int check(int rc, const void *handle, const char *what) const
    {
        if (rc >= 0) return pass(rc);
        if (handle) return fail(rc, nullptr);
        if (code_) return fail(RILL_ECLOSED, nullptr);
        detail::raise_closed(what);
    }
    int check(int rc) const { return rc >= 0 ? pass(rc) : fail(rc, nullptr); }
    int fail(int rc, const char *sentence) const
    {
        if (!code_) detail::raise(rc, sentence ? sentence : rill_errmsg());
        code_->assign(rc, category());
        return rc;
    }
    /* A result that is no failure for who takes exceptions. */
    void note(int rc) const noexcept
    {
        if (code_) code_->assign(rc, category());
    }
    bool throws() const noexcept { return !code_; }

private:
    std::error_code *code_ = nullptr;

    int pass(int rc) const noexcept
    {
        if (code_) code_->clear();
        return rc;
    }
};

/* ---- What calls take ---- */

/* A text that C can take. One that has its 0 is lent; a std::string_view is copied for the time of
 * the call. nullptr is no text. */
class text {
public:
    text(std::nullptr_t) noexcept : at_(nullptr) {}
    text(const char *s) noexcept : at_(s) {}
    text(const std::string &s) : at_(s.c_str()) { whole(s.data(), s.size()); }
    text(std::string_view s)
    {
        whole(s.data(), s.size());
        char *room = small_;
        if (s.size() >= sizeof small_) {
            large_.reset(new char[s.size() + 1]);
            room = large_.get();
        }
        if (!s.empty()) std::memcpy(room, s.data(), s.size());
        room[s.size()] = 0;
        at_ = room;
    }
    text(const text &) = delete;
    text &operator=(const text &) = delete;
    operator const char *() const noexcept { return at_; }

private:
    const char *at_;
    std::unique_ptr<char[]> large_;
    char small_[128];

    static void whole(const char *s, std::size_t len)
    {
        if (len && std::memchr(s, 0, len)) detail::raise(RILL_EINVAL, "a text has a 0 inside");
    }
};

/* Lent bytes: of texts, and of all that has data() and size() with elements of one byte. */
class bytes {
    template <class T>
    static constexpr bool is_byte =
        sizeof(T) == 1 && std::is_trivially_copyable_v<T> && !std::is_same_v<std::decay_t<T>, bool>;

public:
    bytes() noexcept = default;
    bytes(std::nullptr_t) noexcept {}
    bytes(const void *data, std::size_t size) noexcept
        : data_(static_cast<const std::byte *>(data)), size_(size)
    {
    }
    bytes(const char *s) noexcept : bytes(s, s ? std::strlen(s) : 0) {}
    template <class C, class = std::enable_if_t<!std::is_same_v<std::decay_t<C>, bytes> &&
                                                is_byte<std::remove_pointer_t<
                                                    decltype(std::declval<const C &>().data())>>>,
              class = decltype(std::declval<const C &>().size())>
    bytes(const C &c) noexcept : bytes(static_cast<const void *>(c.data()), c.size())
    {
    }

    const std::byte *data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    const std::byte *begin() const noexcept { return data_; }
    const std::byte *end() const noexcept { return data_ + size_; }
    std::string_view str() const noexcept
    {
        return {reinterpret_cast<const char *>(data_), size_};
    }

private:
    const std::byte *data_ = nullptr;
    std::size_t size_ = 0;
};

/* How long a call may wait. A duration is never less than the one given, nor for ever. */
struct wait {
    int ms;
    constexpr wait(int milliseconds) noexcept : ms(milliseconds) {}
    template <class R, class P> constexpr wait(std::chrono::duration<R, P> d) : ms(0)
    {
        using milli = std::chrono::duration<double, std::milli>;
        if (milli(d).count() >= INT_MAX) ms = INT_MAX;
        else if (d > d.zero())
            ms = static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(d).count());
    }
};
inline constexpr wait forever{-1};

using time_point = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;

/* A struct of rill.h with its size. */
template <class T> struct opts : T {
    opts() noexcept : T() { this->size = sizeof(T); }
};

/* An argument that is a struct of rill.h, a pointer to one, or nothing. */
template <class T> class in {
public:
    in() noexcept = default;
    in(std::nullptr_t) noexcept {}
    in(const T *p) noexcept : at_(p) {}
    in(const T &o) noexcept : at_(&o) {}
    operator const T *() const noexcept { return at_; }
    /* With its size; a size that cannot be one stays, for the call to refuse. */
    T copy() const noexcept
    {
        T own{};
        if (at_) std::memcpy(&own, at_, (std::min)(at_->size, sizeof own));
        own.size = at_ && at_->size < sizeof own.size ? at_->size : sizeof own;
        return own;
    }

private:
    const T *at_ = nullptr;
};

using receipt = opts<rill_receipt>;
using stats = opts<rill_stats>;

/* What a message carries besides subject and data: rill::post({{"Trace", "7"}}). The texts are
 * lent, as long as this is used. */
class post : public opts<rill_post> {
public:
    post() = default;
    post(std::initializer_list<std::pair<std::string_view, std::string_view>> list)
    {
        for (const auto &h : list) with(h.first, h.second);
    }
    post(const post &) = delete;
    post &operator=(const post &) = delete;
    post &with(std::string_view name, std::string_view value)
    {
        rows_.push_back({{name.data(), name.size()}, {value.data(), value.size()}});
        headers = rows_.data();
        nheaders = rows_.size();
        return *this;
    }

private:
    std::vector<rill_header> rows_;
};

/* ---- Below: what keeps loans, exceptions and callbacks apart from rill ---- */

namespace detail {

inline std::string_view view(rill_str s) noexcept { return {s.ptr, s.len}; }

/* Counts the loans of one lender. Cells are used again and never freed, and what a cell says only
 * grows: so a loan that outlives its lender can still see that it is over. There are as many as
 * lenders at a time. */
struct cell {
    std::atomic<std::uint64_t> now{2}; /* odd while a callback runs */
    cell *next = nullptr;

    std::uint64_t turn() noexcept
    {
        std::uint64_t n = now.load(std::memory_order_relaxed) + 2;
        now.store(n, std::memory_order_relaxed);
        return n;
    }
    /* A callback begins, and ends. */
    std::uint64_t step() noexcept
    {
        std::uint64_t n = now.load(std::memory_order_relaxed) + 1;
        now.store(n, std::memory_order_relaxed);
        return n;
    }
    bool runs() const noexcept { return now.load(std::memory_order_relaxed) & 1; }
    static cell *take()
    {
        pool &p = all();
        std::lock_guard<std::mutex> hold(p.lock);
        cell *c = p.free;
        if (!c) return p.make();
        p.free = c->next;
        return c;
    }
    static void give(cell *c) noexcept
    {
        c->turn();
        pool &p = all();
        std::lock_guard<std::mutex> hold(p.lock);
        c->next = p.free;
        p.free = c;
    }

private:
    struct pool {
        std::mutex lock;
        cell *free = nullptr;
        std::vector<cell *> made; /* so that a leak checker finds them */
        cell *make()
        {
            made.reserve(made.size() + 1);
            cell *c = new cell;
            made.push_back(c);
            return c;
        }
    };
    static pool &all()
    {
        static pool *p = new pool; /* loans may be looked at while a program ends */
        return *p;
    }
};
inline cell no_loans; /* of an empty loan */

/* A lender for the time of one call. */
class lending {
public:
    lending() : cell_(cell::take()) {}
    ~lending() { cell::give(cell_); }
    lending(const lending &) = delete;
    lending &operator=(const lending &) = delete;
    cell *get() const noexcept { return cell_; }

private:
    cell *cell_;
};

/* What callbacks of a bus have thrown. */
class mailbox {
public:
    void keep() noexcept
    {
        std::lock_guard<std::mutex> hold(lock_);
        if (!first_) first_ = std::current_exception();
        any_.store(true, std::memory_order_release);
    }
    std::exception_ptr take() noexcept
    {
        if (!any_.load(std::memory_order_acquire)) return nullptr;
        std::lock_guard<std::mutex> hold(lock_);
        any_.store(false, std::memory_order_release);
        return std::exchange(first_, nullptr);
    }
    /* What a call that has waited for callbacks says. */
    int tell(int rc, const errors &how)
    {
        if (rc < 0 || !any_.load(std::memory_order_acquire)) return rc;
        if (!how.throws()) return how.note(static_cast<int>(errc::thrown)), rc;
        if (std::exception_ptr e = take()) std::rethrow_exception(e);
        return rc;
    }

private:
    std::mutex lock_;
    std::exception_ptr first_;
    std::atomic<bool> any_{false};
};

/* A function of a listing: true or nothing to go on. What it throws waits until C has returned. */
template <class F> class walk {
public:
    explicit walk(F &f) : f_(f) {}
    template <class A> static int run(A a, void *arg) noexcept
    {
        walk &self = *static_cast<walk *>(arg);
        try {
            if constexpr (std::is_void_v<decltype(self.f_(*a))>) return self.f_(*a), 0;
            else return self.f_(*a) ? 0 : 1;
        } catch (...) {
            self.thrown_ = std::current_exception();
            return 1;
        }
    }
    static int name(const char *s, void *arg) noexcept
    {
        std::string_view v(s);
        return run<std::string_view *>(&v, arg);
    }
    static int care(const rill_care *c, void *arg) noexcept { return run(c, arg); }
    int end(int rc) const
    {
        if (thrown_) std::rethrow_exception(thrown_);
        return rc;
    }

private:
    F &f_;
    std::exception_ptr thrown_;
};

} // namespace detail

/* ---- Messages ---- */

/* What a message has, lent or kept. Views live as long as the message. */
template <class M> class message_base {
public:
    std::string_view subject() const { return detail::view(m()->subject); }
    std::string_view reply_to() const { return detail::view(m()->reply); }
    std::string_view data() const { return detail::view(m()->data); }
    rill::bytes bytes() const { return {m()->data.ptr, m()->data.len}; }
    std::string_view stream() const { return detail::view(m()->stream); }
    std::string_view key() const { return detail::view(m()->key); }
    std::uint64_t seq() const { return m()->seq; }
    std::uint64_t pending() const { return m()->pending; }
    std::uint32_t deliveries() const { return m()->deliveries; }
    std::uint32_t partition() const { return m()->partition; }
    std::uint32_t flags() const { return m()->flags; }
    bool deleted() const { return (m()->flags & RILL_MSG_DELETED) != 0; }
    bool caught_up() const { return (m()->flags & RILL_MSG_CAUGHT_UP) != 0; }
    time_point time() const { return time_point(std::chrono::nanoseconds(m()->time_ns)); }
    const rill_msg *get() const { return m(); }

    std::optional<std::string_view> header(text name) const
    {
        rill_str value;
        if (errors().check(rill_header_get(m(), name, &value)) == 0) return std::nullopt;
        return detail::view(value);
    }
    std::uint32_t header_count() const { return m()->nheaders; }
    std::pair<std::string_view, std::string_view> header_at(std::uint32_t i) const
    {
        rill_header h = rill_header_at(m(), i);
        return {detail::view(h.name), detail::view(h.value)};
    }

    void ack(errors how = {}) const { how.check(rill_ack(m())); }
    void nak(wait delay = 0, errors how = {}) const
    {
        how.check(rill_nak(m(), static_cast<std::uint32_t>((std::max)(delay.ms, 0))));
    }
    void term(errors how = {}) const { how.check(rill_term(m())); }
    void working(errors how = {}) const { how.check(rill_working(m())); }
    void reply(rill::bytes data, in<rill_post> post = {}, errors how = {}) const
    {
        how.check(rill_reply(m(), data.data(), data.size(), post));
    }

private:
    const rill_msg *m() const { return static_cast<const M *>(this)->look(); }
};

/* A message of one's own. */
class message : public message_base<message> {
public:
    message() noexcept = default;
    explicit message(rill_msg *m) noexcept : m_(m) {} /* takes it */
    message(message &&o) noexcept : m_(std::exchange(o.m_, nullptr)) {}
    message &operator=(message &&o) noexcept
    {
        std::swap(m_, o.m_);
        return *this;
    }
    ~message() { rill_msg_unref(m_); }
    explicit operator bool() const noexcept { return m_ != nullptr; }
    rill_msg *release() noexcept { return std::exchange(m_, nullptr); }
    message keep() const; /* once more */

private:
    friend class message_base<message>;
    rill_msg *m_ = nullptr;
    const rill_msg *look() const
    {
        if (!m_) detail::raise(RILL_EINVAL, "the message is empty or moved from");
        return m_;
    }
};

/* A message that is lent. */
class loan : public message_base<loan> {
public:
    loan() noexcept : m_(nullptr), cell_(&detail::no_loans), at_(0) {}
    loan(const rill_msg *m, const detail::cell *cell, std::uint64_t at) noexcept
        : m_(m), cell_(cell), at_(at)
    {
    }
    /* Whether it is there, and not over. */
    explicit operator bool() const noexcept
    {
        return cell_->now.load(std::memory_order_relaxed) == at_;
    }
    message keep() const;

private:
    friend class message_base<loan>;
    const rill_msg *m_;
    const detail::cell *cell_;
    std::uint64_t at_;
    const rill_msg *look() const
    {
        if (!*this)
            detail::raise(RILL_EINVAL, "the loan of this message is over: keep() those that are to "
                                       "last");
        return m_;
    }
};

namespace detail {
inline message keep(const rill_msg *m)
{
    rill_msg *own = rill_msg_ref(m);
    if (!own) throw std::bad_alloc();
    return message(own);
}
} // namespace detail
inline message message::keep() const { return detail::keep(look()); }
inline message loan::keep() const { return detail::keep(look()); }

/* What read() has brought, as a range of loans. */
class loans {
public:
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = loan;
        using difference_type = std::ptrdiff_t;
        using pointer = void;
        using reference = loan;
        iterator() = default;
        iterator(const rill_msg *const *p, const detail::cell *cell, std::uint64_t at) noexcept
            : p_(p), cell_(cell), at_(at)
        {
        }
        loan operator*() const { return {*p_, cell_, at_}; }
        iterator &operator++() { return ++p_, *this; }
        iterator operator++(int)
        {
            iterator before = *this;
            ++p_;
            return before;
        }
        bool operator==(const iterator &o) const noexcept { return p_ == o.p_; }
        bool operator!=(const iterator &o) const noexcept { return p_ != o.p_; }

    private:
        const rill_msg *const *p_ = nullptr;
        const detail::cell *cell_ = nullptr;
        std::uint64_t at_ = 0;
    };

    loans() noexcept = default;
    loans(const rill_msg *const *msgs, std::size_t n, const detail::cell *cell,
          std::uint64_t at) noexcept
        : msgs_(msgs), n_(n), cell_(cell), at_(at)
    {
    }
    iterator begin() const { return {look(), cell_, at_}; }
    iterator end() const { return {look() + n_, cell_, at_}; }
    std::size_t size() const noexcept { return n_; }
    bool empty() const noexcept { return n_ == 0; }
    loan operator[](std::size_t i) const
    {
        if (i >= n_) detail::raise(RILL_EINVAL, "there is no message of that number in the batch");
        return {look()[i], cell_, at_};
    }

private:
    const rill_msg *const *msgs_ = nullptr;
    std::size_t n_ = 0;
    const detail::cell *cell_ = &detail::no_loans;
    std::uint64_t at_ = 0;
    const rill_msg *const *look() const
    {
        if (n_ && cell_->now.load(std::memory_order_relaxed) != at_)
            detail::raise(RILL_EINVAL, "the loan of this batch is over");
        return msgs_;
    }
};

/* ---- Subscriptions ---- */

namespace detail {

/* What stands behind a rill::sub; a callback's `arg`. */
struct sub_state {
    rill_sub *sub = nullptr;
    cell *lent = cell::take();
    std::vector<const rill_msg *> room; /* of read() */
    std::shared_ptr<mailbox> mail;
    cell *calls = nullptr; /* of its callback, if it has one */
    bool orphan = false;   /* that has closed it, and frees it */

    explicit sub_state(std::shared_ptr<mailbox> m) : mail(std::move(m)) {}
    sub_state(const sub_state &) = delete;
    sub_state &operator=(const sub_state &) = delete;
    virtual ~sub_state()
    {
        cell::give(lent);
        if (calls) cell::give(calls);
    }
    /* rill_sub_close() waits for a callback on another thread, and not for one on this: so what still
     * runs behind it is what this was called by. There is no rill_sub_end(): a destructor cannot
     * leave behind what such a callback uses. */
    static void close(sub_state *s) noexcept
    {
        if (!s) return;
        rill_sub_close(s->sub);
        if (s->calls && s->calls->runs()) s->orphan = true;
        else delete s;
    }
};

template <class F> struct hearing final : sub_state {
    F f;

    template <class G>
    hearing(std::shared_ptr<mailbox> m, G &&g) : sub_state(std::move(m)), f(std::forward<G>(g))
    {
        calls = cell::take();
    }
    static void run(rill_sub *, const rill_msg *m, void *arg) noexcept
    {
        hearing *self = static_cast<hearing *>(arg);
        cell *calls = self->calls;
        try {
            self->f(loan(m, calls, calls->step()));
        } catch (...) {
            self->threw(m);
        }
        calls->step();
        if (self->orphan) free(self);
    }

private:
    RILL_HPP_SELDOM void threw(const rill_msg *m) noexcept
    {
        mail->keep();
        if (m->deliveries) rill_nak(m, 0);
    }
    RILL_HPP_SELDOM static void free(hearing *self) noexcept { delete self; }
};

} // namespace detail

class sub {
public:
    sub() noexcept = default;
    sub(sub &&o) noexcept : s_(std::exchange(o.s_, nullptr)) {}
    sub &operator=(sub &&o) noexcept
    {
        if (this != &o) {
            close();
            s_ = std::exchange(o.s_, nullptr);
        }
        return *this;
    }
    ~sub() { close(); }
    explicit operator bool() const noexcept { return s_ != nullptr; }
    rill_sub *get() const noexcept { return s_ ? s_->sub : nullptr; }
    /* May be called in its own callback. */
    void close() noexcept { detail::sub_state::close(std::exchange(s_, nullptr)); }

    /* Nothing if none came in time. errc::closed behind the last. */
    std::optional<loan> next(wait w = forever, errors how = {})
    {
        if (!s_) return how.check(RILL_ECLOSED, nullptr, "subscription"), std::nullopt;
        const rill_msg *m;
        const detail::cell *lent = s_->lent;
        std::uint64_t at = s_->lent->turn();
        int rc = rill_next(s_->sub, &m, w.ms);
        if (rc < 0) return none(rc, how), std::nullopt;
        how.check(rc);
        return loan(m, lent, at);
    }
    /* Up to `max` messages. None, if none came in time. */
    loans read(std::size_t max = 256, wait w = forever, errors how = {})
    {
        if (!s_) return how.check(RILL_ECLOSED, nullptr, "subscription"), loans();
        max = (std::min)(max, std::size_t(4096));
        std::uint64_t at = s_->lent->turn();
        if (s_->room.size() < max) s_->room.resize(max);
        int n = rill_read(s_->sub, s_->room.data(), max, w.ms);
        if (n < 0) return none(n, how), loans();
        return how.check(n), loans(s_->room.data(), static_cast<std::size_t>(n), s_->lent, at);
    }

    /* for (auto m : sub): each message, until there are no more to come; with sub.each(1s) until
     * none has come for so long. */
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = loan;
        using difference_type = std::ptrdiff_t;
        using pointer = const loan *;
        using reference = const loan &;
        iterator() = default;
        iterator(sub *s, wait w) : sub_(s), ms_(w.ms) { step(); }
        const loan &operator*() const noexcept { return at_; }
        const loan *operator->() const noexcept { return &at_; }
        iterator &operator++() { return step(), *this; }
        void operator++(int) { step(); }
        bool operator==(const iterator &o) const noexcept { return sub_ == o.sub_; }
        bool operator!=(const iterator &o) const noexcept { return sub_ != o.sub_; }

    private:
        sub *sub_ = nullptr;
        int ms_ = -1;
        loan at_;
        void step()
        {
            std::error_code ec;
            std::optional<loan> m = sub_->next(ms_, ec);
            if (m) at_ = *m;
            else if (ec == errc::closed || ec == errc::timed_out || ec == errc::again)
                sub_ = nullptr;
            else errors().check(ec.value());
        }
    };
    class range {
    public:
        range(sub *s, wait w) noexcept : sub_(s), wait_(w) {}
        iterator begin() const { return {sub_, wait_}; }
        iterator end() const noexcept { return {}; }

    private:
        sub *sub_;
        wait wait_;
    };
    iterator begin() { return each().begin(); }
    iterator end() noexcept { return {}; }
    range each(wait w = forever) && = delete; /* it would end before the loop */
    range each(wait w = forever) &
    {
        if (!s_) errors().check(RILL_ECLOSED, nullptr, "subscription");
        return {this, w};
    }

    int fd(errors how = {}) const { return check(rill_sub_fd(get()), how); }
    void seek(in<rill_at> at, errors how = {}) { check(rill_seek(get(), at), how); }
    void stop(errors how = {}) { check(rill_sub_stop(get()), how); }
    opts<rill_sub_info> status(errors how = {}) const
    {
        opts<rill_sub_info> out;
        check(rill_sub_status(get(), &out), how);
        return out;
    }

private:
    friend class source;
    detail::sub_state *s_ = nullptr;
    explicit sub(detail::sub_state *s) noexcept : s_(s) {}
    int check(int rc, const errors &how) const { return how.check(rc, s_, "subscription"); }
    RILL_HPP_SELDOM static void none(int rc, errors how)
    {
        if (rc == RILL_ETIMEDOUT || rc == RILL_EAGAIN) how.note(rc);
        else how.check(rc);
    }
};

/* Opens subscriptions: what a bus, a bucket and a bucket of objects have in common. */
class source {
protected:
    std::shared_ptr<detail::mailbox> mail_;

    template <class Open> sub open(Open open, const rill_sub_opts *o, const errors &how) const
    {
        auto s = std::make_unique<detail::sub_state>(mail_);
        return done(open(&s->sub, o), s, open, how);
    }
    template <class Open, class F>
    sub open(Open open, in<rill_sub_opts> o, F &&f, const errors &how) const
    {
        rill_sub_opts own = o.copy();
        if (own.on_msg) return how.fail(RILL_EINVAL, "on_msg is given twice"), sub();
        using state = detail::hearing<std::decay_t<F>>;
        auto s = std::make_unique<state>(mail_, std::forward<F>(f));
        own.on_msg = state::run;
        own.arg = s.get();
        return done(open(&s->sub, &own), s, open, how);
    }

private:
    template <class S, class Open>
    static sub done(int rc, std::unique_ptr<S> &s, const Open &open, const errors &how)
    {
        return how.check(rc, open.self, open.noun) < 0 ? sub() : sub(s.release());
    }
};

namespace detail {

/* A handle of C that is moved, and closed by its end. */
template <class T, class Close> class handle {
public:
    handle() noexcept = default;
    explicit handle(T *p) noexcept : p_(p) {}
    handle(handle &&o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
    handle &operator=(handle &&o) noexcept
    {
        if (this != &o) reset(std::exchange(o.p_, nullptr));
        return *this;
    }
    ~handle() { reset(); }
    explicit operator bool() const noexcept { return p_ != nullptr; }
    T *get() const noexcept { return p_; }
    T *release() noexcept { return std::exchange(p_, nullptr); }

protected:
    void reset(T *p = nullptr) noexcept
    {
        if (T *old = std::exchange(p_, p)) Close()(old);
    }

private:
    T *p_ = nullptr;
};

struct close_batch {
    void operator()(rill_batch *b) const noexcept { rill_batch_close(b); }
};
struct close_kv {
    void operator()(rill_kv *k) const noexcept { rill_kv_close(k); }
};
struct close_objs {
    void operator()(rill_objs *o) const noexcept { rill_objs_close(o); }
};
struct close_forward {
    void operator()(rill_forward *f) const noexcept { rill_forward_close(f, close_ms); }
};
struct close_broker {
    void operator()(rill_broker *b) const noexcept { rill_broker_close(b, close_ms); }
};
struct close_wire {
    void operator()(rill_wire *w) const noexcept { rill_wire_close(w); }
};

} // namespace detail

/* ---- A wire of one's own ---- */

/* wire::over(end): `end` is moved into it and has read(void *, size_t) and write(const void *,
 * size_t), which return as those of rill_wire_ops, and maybe fd(). Its destructor is close(). What
 * they throw breaks the connection. */
class wire : public detail::handle<rill_wire, detail::close_wire> {
public:
    using handle::handle;
    template <class T>
    static wire over(T end, const rill_host *host = nullptr, errors how = {})
    {
        auto own = std::make_unique<T>(std::move(end));
        rill_wire_ops ops = {};
        ops.size = sizeof ops;
        ops.read = [](void *arg, void *buf, std::size_t len) noexcept -> std::int64_t {
            try { return static_cast<T *>(arg)->read(buf, len); } catch (...) { return RILL_EIO; }
        };
        ops.write = [](void *arg, const void *buf, std::size_t len) noexcept -> std::int64_t {
            try { return static_cast<T *>(arg)->write(buf, len); } catch (...) { return RILL_EIO; }
        };
        ops.close = [](void *arg) noexcept { delete static_cast<T *>(arg); };
        ops.fd = descriptor<T>(0);
        rill_wire *w = nullptr;
        if (how.check(rill_wire_new(&w, &ops, own.get(), host)) < 0) return wire();
        own.release();
        return wire(w);
    }
    /* Bytes have come, or will go, again: ready(raw), with the raw handle that get() gave before
     * the wire was given away, until its end is destroyed. */
    static void ready(rill_wire *w) noexcept { rill_wire_ready(w); }
    void close(errors how = {})
    {
        int rc = rill_wire_close(get());
        if (how.check(rc) >= 0) release();
    }

private:
    using fd_fn = int (*)(void *);
    template <class T> static auto descriptor(int) -> decltype(std::declval<T &>().fd(), fd_fn())
    {
        return [](void *arg) noexcept -> int {
            try { return static_cast<T *>(arg)->fd(); } catch (...) { return -1; }
        };
    }
    template <class T> static fd_fn descriptor(long) { return nullptr; }
};

/* ---- Batches, buckets and objects ---- */

class batch : public detail::handle<rill_batch, detail::close_batch> {
public:
    using handle::handle;
    void add(text subject, rill::bytes data, in<rill_post> post = {}, errors how = {})
    {
        check(rill_batch_add(get(), subject, data.data(), data.size(), post), how);
    }
    /* The receipt of the last message. */
    receipt commit(wait w = forever, errors how = {})
    {
        receipt last;
        check(rill_batch_commit(get(), &last, w.ms), how);
        return last;
    }
    void close() noexcept { reset(); }

private:
    int check(int rc, const errors &how) const { return how.check(rc, get(), "batch"); }
};

class kv : public detail::handle<rill_kv, detail::close_kv>, private source {
public:
    kv() noexcept = default;
    kv(rill_kv *k, std::shared_ptr<detail::mailbox> mail) noexcept : handle(k)
    {
        mail_ = std::move(mail);
    }
    /* The revision. */
    std::uint64_t put(text key, rill::bytes value, in<rill_kv_opts> o = {}, errors how = {})
    {
        std::uint64_t rev = 0;
        check(rill_kv_put(get(), key, value.data(), value.size(), o, &rev), how);
        return rev;
    }
    std::uint64_t create(text key, rill::bytes value, in<rill_kv_opts> o = {}, errors how = {})
    {
        std::uint64_t rev = 0;
        check(rill_kv_create(get(), key, value.data(), value.size(), o, &rev), how);
        return rev;
    }
    /* Nothing if there is no such key. */
    std::optional<message> get(text key, errors how = {}) const
    {
        rill_msg *m = nullptr;
        int rc = rill_kv_get(get(), key, &m);
        if (rc == RILL_ENOENT) return how.note(rc), std::nullopt;
        if (check(rc, how) < 0) return std::nullopt;
        return message(m);
    }
    using handle::get;
    void del(text key, in<rill_kv_opts> o = {}, errors how = {})
    {
        check(rill_kv_delete(get(), key, o), how);
    }
    void purge(text key, in<rill_kv_opts> o = {}, errors how = {})
    {
        check(rill_kv_purge(get(), key, o), how);
    }
    /* f(std::string_view) for each key. */
    template <class F> void each(F &&f, text filter = nullptr, errors how = {}) const
    {
        detail::walk<F> w(f);
        check(w.end(rill_kv_each(get(), filter, w.name, &w)), how);
    }
    std::vector<std::string> keys(text filter = nullptr, errors how = {}) const
    {
        std::vector<std::string> all;
        each([&](std::string_view key) { all.emplace_back(key); },
             static_cast<const char *>(filter), how);
        return all;
    }
    /* f(rill::loan) for each revision of a key. */
    template <class F> void history(text key, F &&f, errors how = {}) const
    {
        detail::lending lent;
        auto one = [&](const rill_msg &m) {
            return f(loan(&m, lent.get(), lent.get()->turn()));
        };
        detail::walk<decltype(one)> w(one);
        check(w.end(rill_kv_history(get(), key, w.template run<const rill_msg *>, &w)), how);
    }
    sub watch(in<rill_sub_opts> o = {}, errors how = {}) const
    {
        return open(watching{get()}, o, how);
    }
    template <class F, class = std::enable_if_t<std::is_invocable_v<F &, loan>>>
    sub watch(in<rill_sub_opts> o, F &&f, errors how = {}) const
    {
        return open(watching{get()}, o, std::forward<F>(f), how);
    }
    void close() noexcept { reset(); }

private:
    int check(int rc, const errors &how) const { return how.check(rc, get(), "bucket"); }
    struct watching {
        rill_kv *self;
        const char *noun = "bucket";
        int operator()(rill_sub **s, const rill_sub_opts *o) const
        {
            return rill_kv_watch(self, s, o);
        }
    };
};

using object_info = opts<rill_obj_info>;

class objects : public detail::handle<rill_objs, detail::close_objs>, private source {
public:
    objects() noexcept = default;
    objects(rill_objs *o, std::shared_ptr<detail::mailbox> mail) noexcept : handle(o)
    {
        mail_ = std::move(mail);
    }
    /* f(void *buf, size_t cap) returns how much it has put there, 0 at the end. */
    template <class F, class = std::enable_if_t<std::is_invocable_v<F &, void *, std::size_t>>>
    void put(text name, F &&f, errors how = {})
    {
        pump<F> p{f, nullptr};
        int rc = rill_obj_put(handle::get(), name, p.fill, &p);
        if (p.thrown) std::rethrow_exception(p.thrown);
        check(rc, how);
    }
    void put(text name, rill::bytes data, errors how = {})
    {
        put(name.operator const char *(), [&data](void *buf, std::size_t cap) -> std::int64_t {
            std::size_t n = (std::min)(cap, data.size());
            if (n) std::memcpy(buf, data.data(), n);
            data = rill::bytes(data.data() + n, data.size() - n);
            return static_cast<std::int64_t>(n);
        }, how);
    }
    /* f(rill::bytes) for each piece. */
    template <class F, class = std::enable_if_t<std::is_invocable_v<F &, rill::bytes>>>
    void get(text name, F &&f, errors how = {}) const
    {
        pump<F> p{f, nullptr};
        int rc = rill_obj_get(handle::get(), name, p.take, &p);
        if (p.thrown) std::rethrow_exception(p.thrown);
        check(rc, how);
    }
    /* All of it; nothing if there is no such object. */
    std::optional<std::string> get(text name, errors how = {}) const
    {
        std::string all;
        std::error_code ec;
        get(name.operator const char *(), [&all](rill::bytes piece) { all += piece.str(); }, ec);
        if (ec == errc::not_found) return how.note(ec.value()), std::nullopt;
        if (check(ec.value(), how) < 0) return std::nullopt;
        return all;
    }
    using handle::get;
    object_info status(text name, errors how = {}) const
    {
        object_info out;
        check(rill_obj_status(handle::get(), name, &out), how);
        return out;
    }
    void del(text name, errors how = {}) { check(rill_obj_delete(handle::get(), name), how); }
    void link(text name, const objects &to, text target = nullptr, errors how = {})
    {
        check(rill_obj_link(handle::get(), name, to.get(), target), how);
    }
    void seal(errors how = {}) { check(rill_objs_seal(handle::get()), how); }
    template <class F> void each(F &&f, errors how = {}) const
    {
        detail::walk<F> w(f);
        check(w.end(rill_obj_each(handle::get(), w.name, &w)), how);
    }
    std::vector<std::string> names(errors how = {}) const
    {
        std::vector<std::string> all;
        each([&](std::string_view name) { all.emplace_back(name); }, how);
        return all;
    }
    sub watch(in<rill_sub_opts> o = {}, errors how = {}) const
    {
        return open(watching{handle::get()}, o, how);
    }
    template <class F, class = std::enable_if_t<std::is_invocable_v<F &, loan>>>
    sub watch(in<rill_sub_opts> o, F &&f, errors how = {}) const
    {
        return open(watching{handle::get()}, o, std::forward<F>(f), how);
    }
    /* What a message of a watch is about; nothing for the one that says that there are none. */
    template <class M>
    static std::optional<object_info> told(const message_base<M> &m, errors how = {})
    {
        object_info out;
        if (m.key().empty()) return std::nullopt;
        if (how.check(rill_obj_told(m.get(), &out)) < 0) return std::nullopt;
        return out;
    }
    void close() noexcept { reset(); }

private:
    template <class F> struct pump {
        F &f;
        std::exception_ptr thrown;
        static std::int64_t fill(void *buf, std::size_t cap, void *arg) noexcept
        {
            pump &self = *static_cast<pump *>(arg);
            try {
                return static_cast<std::int64_t>(self.f(buf, cap));
            } catch (...) {
                self.thrown = std::current_exception();
                return RILL_EIO;
            }
        }
        static int take(const void *buf, std::size_t len, void *arg) noexcept
        {
            pump &self = *static_cast<pump *>(arg);
            try {
                return self.f(rill::bytes(buf, len)), 0;
            } catch (...) {
                self.thrown = std::current_exception();
                return RILL_EIO;
            }
        }
    };
    int check(int rc, const errors &how) const
    {
        return how.check(rc, handle::get(), "bucket of objects");
    }
    struct watching {
        rill_objs *self;
        const char *noun = "bucket of objects";
        int operator()(rill_sub **s, const rill_sub_opts *o) const
        {
            return rill_obj_watch(self, s, o);
        }
    };
};

/* ---- The bus ---- */

/* What rill asks of a program while a bus is open; either may be left out. */
struct hooks {
    std::function<void(const rill_event &)> on_event;
    std::function<wire(const char *address)> dial; /* a throw: no such server */
};

namespace detail {

/* The `arg` of a bus with hooks. When rill_close() has given up waiting, EV_CLOSED is the last that
 * touches it, or has been: whoever of the two is second frees it. */
struct bus_state {
    hooks calls;
    std::shared_ptr<mailbox> mail;
    std::atomic<int> owners{2};

    void leave() noexcept
    {
        if (owners.fetch_sub(1) == 1) delete this;
    }
    static void event(rill_bus *, const rill_event *ev, void *arg) noexcept
    {
        bus_state *self = static_cast<bus_state *>(arg);
        try {
            if (self->calls.on_event) self->calls.on_event(*ev);
        } catch (...) {
            self->mail->keep();
        }
        if (ev->kind == RILL_EV_CLOSED) self->leave();
    }
    static int dial(rill_wire **w, const char *address, void *arg) noexcept
    {
        bus_state *self = static_cast<bus_state *>(arg);
        try {
            wire made = self->calls.dial(address);
            *w = made.release();
            return *w ? RILL_OK : RILL_ECONN;
        } catch (const error &e) {
            return e.code().value() < 0 ? e.code().value() : RILL_ECONN;
        } catch (...) {
            self->mail->keep();
            return RILL_ECONN;
        }
    }
};

/* The `arg` of an append or a request that does not wait. */
template <class F> struct asking {
    F f;
    std::shared_ptr<mailbox> mail;

    static void stored(int err, const rill_receipt *r, void *arg) noexcept
    {
        std::unique_ptr<asking> self(static_cast<asking *>(arg));
        receipt own;
        if (r) static_cast<rill_receipt &>(own) = *r;
        try {
            self->f(std::error_code(err, category()), static_cast<const receipt &>(own));
        } catch (...) {
            self->mail->keep();
        }
    }
    static void answered(int err, const rill_msg *m, void *arg) noexcept
    {
        std::unique_ptr<asking> self(static_cast<asking *>(arg));
        try {
            lending lent;
            self->f(std::error_code(err, category()),
                    m ? loan(m, lent.get(), lent.get()->turn()) : loan());
        } catch (...) {
            self->mail->keep();
        }
    }
};

/* The `arg` of a call that was started. */
template <class F> struct starting {
    F f;
    std::shared_ptr<mailbox> mail;

    static void done(const rill_item *item, void *arg) noexcept
    {
        std::unique_ptr<starting> self(static_cast<starting *>(arg));
        try {
            self->f(*item);
        } catch (...) {
            self->mail->keep();
        }
    }
};

/* A library that is older than this header lends structs without some fields. */
inline int version(const errors &how)
{
    return rill_version() >= RILL_VERSION
               ? RILL_OK
               : how.fail(RILL_ENOTSUP, "librill is older than the rill.hpp of this program");
}

} // namespace detail

/* What bus.reap() has brought: items, each of which rill.h tells. They and the messages in them are
 * lent until this ends, which may be after its bus, on any thread. */
class reaped {
public:
    reaped() noexcept = default;
    explicit reaped(rill_reaped *r) noexcept : r_(r) {}
    reaped(reaped &&o) noexcept : r_(std::exchange(o.r_, nullptr)) {}
    reaped &operator=(reaped &&o) noexcept
    {
        std::swap(r_, o.r_);
        return *this;
    }
    ~reaped() { rill_reaped_free(r_); }
    const rill_item *const *begin() const noexcept { return r_ ? r_->items : nullptr; }
    const rill_item *const *end() const noexcept { return r_ ? r_->items + r_->n : nullptr; }
    std::size_t size() const noexcept { return r_ ? r_->n : 0; }
    bool empty() const noexcept { return size() == 0; }
    std::uint64_t bytes() const noexcept { return r_ ? r_->bytes : 0; }
    const rill_item &operator[](std::size_t i) const
    {
        if (i >= size()) throw error(RILL_EINVAL, "there is no item of that number");
        return *r_->items[i];
    }

private:
    rill_reaped *r_ = nullptr;
};

class bus : private source {
public:
    bus() noexcept = default;
    explicit bus(text url, in<rill_opts> o = {}, errors how = {}) { open_by(with{url}, o, how); }
    bus(text url, in<rill_opts> o, hooks h, errors how = {})
    {
        open_by(with{url}, o, std::move(h), how);
    }
    bus(bus &&o) noexcept
        : source(std::move(o)), bus_(std::exchange(o.bus_, nullptr)),
          state_(std::exchange(o.state_, nullptr))
    {
    }
    bus &operator=(bus &&o) noexcept
    {
        if (this != &o) {
            end();
            mail_ = std::move(o.mail_);
            bus_ = std::exchange(o.bus_, nullptr);
            state_ = std::exchange(o.state_, nullptr);
        }
        return *this;
    }
    ~bus() { end(); }
    explicit operator bool() const noexcept { return bus_ != nullptr; }
    rill_bus *get() const noexcept { return bus_; }

    /* The handle is empty then, but for errc::deadlock. */
    void close(wait w = close_ms, errors how = {})
    {
        int rc = bus_ ? shut(w.ms) : RILL_OK;
        if (how.check(rc) >= 0 && mail_) mail_->tell(rc, how);
    }
    void drain(wait w = forever, errors how = {}) { tell(rill_drain(bus_, w.ms), how); }
    void flush(wait w = forever, errors how = {}) { tell(rill_flush(bus_, w.ms), how); }
    /* What a callback has thrown, once; else null. */
    std::exception_ptr caught() noexcept { return mail_ ? mail_->take() : nullptr; }

    std::uint32_t caps() const noexcept { return rill_caps(bus_); }
    int fd(errors how = {}) const { return check(rill_fd(bus_), how); }
    int wait_ms(errors how = {}) const /* -1: no bound */
    {
        int rc = rill_wait_ms(bus_);
        return rc == -1 && bus_ ? how.note(0), rc : check(rc, how);
    }
    int poll(wait w = 0, errors how = {}) { return tell(rill_poll(bus_, w.ms), how); }
    rill::stats stats(errors how = {}) const { return fill<rill::stats>(rill_bus_stats, how); }

    /* ---- Sending ---- */

    void publish(text subject, bytes data, in<rill_post> post = {}, errors how = {})
    {
        check(rill_publish(bus_, subject, data.data(), data.size(), post), how);
    }
    /* How many went: n, unless one cannot; the call for the rest says why. `data` is lent. */
    std::size_t publish_many(text subject, const rill_str *data, std::size_t n, errors how = {})
    {
        int went = check(rill_publish_many(bus_, subject, data, n), how);
        return went > 0 ? static_cast<std::size_t>(went) : 0;
    }
    receipt append(text subject, bytes data, in<rill_post> post = {}, wait w = forever,
                   errors how = {})
    {
        receipt out;
        check(rill_append(bus_, subject, data.data(), data.size(), post, &out, w.ms), how);
        return out;
    }
    /* f(std::error_code, const rill::receipt &), once, where callbacks run. */
    template <class F>
    void append_async(text subject, bytes data, in<rill_post> post, F &&f, errors how = {})
    {
        using ask = detail::asking<std::decay_t<F>>;
        std::unique_ptr<ask> a(new ask{std::forward<F>(f), mail_});
        int rc = rill_append_async(bus_, subject, data.data(), data.size(), post, ask::stored,
                                   a.get());
        if (rc >= 0) a.release(); /* its callback, which may have run, frees it */
        check(rc, how);
    }
    message request(text subject, bytes data, in<rill_post> post = {}, wait w = forever,
                    errors how = {})
    {
        rill_msg *reply = nullptr;
        check(rill_request(bus_, subject, data.data(), data.size(), post, &reply, w.ms), how);
        return message(reply);
    }
    /* f(std::error_code, rill::loan), once, where callbacks run. */
    template <class F>
    void request_async(text subject, bytes data, in<rill_post> post, wait w, F &&f, errors how = {})
    {
        using ask = detail::asking<std::decay_t<F>>;
        std::unique_ptr<ask> a(new ask{std::forward<F>(f), mail_});
        int rc = rill_request_async(bus_, subject, data.data(), data.size(), post, w.ms,
                                    ask::answered, a.get());
        if (rc >= 0) a.release();
        check(rc, how);
    }
    /* f(const rill_item &), once, where callbacks run: the item is lent, and what the call has
     * opened is yours. What is returned is for cancel(), until f runs; null if nothing was
     * started. */
    template <class F, class = std::enable_if_t<std::is_invocable_v<F &, const rill_item &>>>
    const void *start(in<rill_call> call, F &&f, errors how = {})
    {
        using ask = detail::starting<std::decay_t<F>>;
        std::unique_ptr<ask> a(new ask{std::forward<F>(f), mail_});
        return check(rill_start(bus_, call, ask::done, a.get()), how) < 0 ? nullptr : a.release();
    }
    /* The same, whose end is an item of reap(), with this arg. */
    void start(in<rill_call> call, void *arg, errors how = {})
    {
        check(rill_start(bus_, call, nullptr, arg), how);
    }
    /* How many it takes back. */
    int cancel(const void *started, errors how = {})
    {
        return check(rill_cancel(bus_, const_cast<void *>(started)), how);
    }
    /* What callbacks have thrown before is thrown first, so that no items come with it; what they
     * throw meanwhile is thrown by the next call. */
    reaped reap(std::size_t most = 4096, wait w = forever, errors how = {})
    {
        if (mail_ && how.throws()) mail_->tell(RILL_OK, how);
        rill_reaped *out = nullptr;
        int rc = check(rill_reap(bus_, &out, most, w.ms), how);
        reaped got(out);
        if (mail_ && !how.throws()) mail_->tell(rc, how);
        return got;
    }
    std::string inbox(errors how = {})
    {
        std::array<char, RILL_INBOX_LEN> room;
        int n = check(rill_inbox(bus_, room.data(), room.size()), how);
        return n < 0 ? std::string() : std::string(room.data(), static_cast<std::size_t>(n));
    }
    batch batch_begin(in<rill_batch_opts> o = {}, errors how = {})
    {
        rill_batch *b = nullptr;
        check(rill_batch_begin(bus_, &b, o), how);
        return batch(b);
    }

    /* ---- Receiving; f(rill::loan) ---- */

    sub subscribe(text subject, in<rill_sub_opts> o = {}, errors how = {})
    {
        return open(calling{bus_, rill_subscribe, subject}, o, how);
    }
    template <class F, class = std::enable_if_t<std::is_invocable_v<F &, loan>>>
    sub subscribe(text subject, in<rill_sub_opts> o, F &&f, errors how = {})
    {
        return open(calling{bus_, rill_subscribe, subject}, o, std::forward<F>(f), how);
    }
    sub consume(text stream, in<rill_sub_opts> o = {}, errors how = {})
    {
        return open(calling{bus_, rill_consume, stream}, o, how);
    }
    template <class F, class = std::enable_if_t<std::is_invocable_v<F &, loan>>>
    sub consume(text stream, in<rill_sub_opts> o, F &&f, errors how = {})
    {
        return open(calling{bus_, rill_consume, stream}, o, std::forward<F>(f), how);
    }
    sub tail(text stream, in<rill_sub_opts> o = {}, errors how = {})
    {
        return open(calling{bus_, rill_tail, stream}, o, how);
    }
    template <class F, class = std::enable_if_t<std::is_invocable_v<F &, loan>>>
    sub tail(text stream, in<rill_sub_opts> o, F &&f, errors how = {})
    {
        return open(calling{bus_, rill_tail, stream}, o, std::forward<F>(f), how);
    }

    /* ---- Streams and groups ---- */

    /* Whether it was created. */
    bool stream_ensure(text stream, in<rill_stream_opts> o = {}, errors how = {})
    {
        return check(rill_stream_ensure(bus_, stream, o), how) == 1;
    }
    void stream_delete(text stream, errors how = {})
    {
        check(rill_stream_delete(bus_, stream), how);
    }
    opts<rill_stream_info> stream_status(text stream, errors how = {}) const
    {
        opts<rill_stream_info> out;
        check(rill_stream_status(bus_, stream, &out), how);
        return out;
    }
    template <class F> void stream_each(F &&f, errors how = {}) const
    {
        detail::walk<F> w(f);
        check(w.end(rill_stream_each(bus_, w.name, &w)), how);
    }
    std::vector<std::string> streams(errors how = {}) const
    {
        std::vector<std::string> all;
        stream_each([&](std::string_view name) { all.emplace_back(name); }, how);
        return all;
    }
    /* f(const rill_stream_desc &), of one stream, or, nullptr, of each. */
    template <class F> void stream_describe(text stream, F &&f, errors how = {}) const
    {
        detail::walk<F> w(f);
        check(w.end(rill_stream_describe(bus_, stream,
                                         w.template run<const rill_stream_desc *>, &w)), how);
    }
    /* How many there were. */
    std::uint64_t stream_purge(text stream, in<rill_purge_opts> o = {}, errors how = {})
    {
        std::uint64_t n = 0;
        check(rill_stream_purge(bus_, stream, o, &n), how);
        return n;
    }
    message stream_get(text stream, in<rill_at> at, errors how = {}) const
    {
        rill_msg *m = nullptr;
        check(rill_stream_get(bus_, stream, at, &m), how);
        return message(m);
    }
    void stream_erase(text stream, in<rill_at> at, errors how = {})
    {
        check(rill_stream_erase(bus_, stream, at), how);
    }
    bool group_ensure(text stream, text group, in<rill_sub_opts> o = {}, errors how = {})
    {
        return check(rill_group_ensure(bus_, stream, group, o), how) == 1;
    }
    opts<rill_group_info> group_status(text stream, text group, errors how = {}) const
    {
        opts<rill_group_info> out;
        check(rill_group_status(bus_, stream, group, &out), how);
        return out;
    }
    template <class F> void group_each(text stream, F &&f, errors how = {}) const
    {
        detail::walk<F> w(f);
        check(w.end(rill_group_each(bus_, stream, w.name, &w)), how);
    }
    std::vector<std::string> groups(text stream, errors how = {}) const
    {
        std::vector<std::string> all;
        group_each(stream.operator const char *(),
                   [&](std::string_view name) { all.emplace_back(name); }, how);
        return all;
    }
    void group_seek(text stream, text group, in<rill_at> at, errors how = {})
    {
        check(rill_group_seek(bus_, stream, group, at), how);
    }
    void group_pause(text stream, text group, time_point until, errors how = {})
    {
        check(rill_group_pause(bus_, stream, group, until.time_since_epoch().count()), how);
    }
    void group_delete(text stream, text group, errors how = {})
    {
        check(rill_group_delete(bus_, stream, group), how);
    }

    /* ---- Buckets ---- */

    kv kv_open(text bucket, in<rill_bucket_opts> o = {}, errors how = {})
    {
        rill_kv *k = nullptr;
        check(rill_kv_open(bus_, &k, bucket, o), how);
        return kv(k, mail_);
    }
    objects objs_open(text bucket, in<rill_bucket_opts> o = {}, errors how = {})
    {
        rill_objs *k = nullptr;
        check(rill_objs_open(bus_, &k, bucket, o), how);
        return objects(k, mail_);
    }

    /* ---- Care; f(const rill_care &) ---- */

    int store_check(errors how = {})
    {
        return check(rill_store_check(bus_, nullptr, nullptr), how);
    }
    template <class F, class = std::enable_if_t<std::is_invocable_v<F &, const rill_care &>>>
    int store_check(F &&f, errors how = {})
    {
        detail::walk<F> w(f);
        return check(w.end(rill_store_check(bus_, w.care, &w)), how);
    }
    void store_snapshot(text dir, errors how = {}) { check(rill_store_snapshot(bus_, dir), how); }

    message jetstream_ask(text subject, bytes body, wait w = forever, errors how = {})
    {
        rill_msg *answer = nullptr;
        check(rill_jetstream_ask(bus_, subject, body.data(), body.size(), &answer, w.ms), how);
        return message(answer);
    }

#ifdef RILL_HPP_COROUTINES
    /* co_await bus.co_append(..), co_request(..): as append() and request(), but the coroutine
     * rests meanwhile. It goes on where callbacks run. What it was given must last until then; a
     * std::error_code is set then, too. A coroutine that is destroyed while it rests is one that
     * rill cannot wake: let it end. */
    class appending;
    class requesting;
    appending co_append(const char *subject, bytes data, in<rill_post> post = {}, errors how = {});
    requesting co_request(const char *subject, bytes data, in<rill_post> post = {},
                          wait w = forever, errors how = {});
#endif

private:
    friend class broker;
    rill_bus *bus_ = nullptr;
    detail::bus_state *state_ = nullptr;

    int check(int rc, const errors &how) const { return how.check(rc, bus_, "bus"); }
    int tell(int rc, const errors &how) const
    {
        return check(rc, how) < 0 ? rc : mail_->tell(rc, how);
    }
    template <class T, class Call> T fill(Call call, const errors &how) const
    {
        T out;
        check(call(bus_, &out), how);
        return out;
    }
    struct calling { /* rill_subscribe() and its like */
        rill_bus *self;
        int (*call)(rill_bus *, rill_sub **, const char *, const rill_sub_opts *);
        const char *what;
        const char *noun = "bus";
        int operator()(rill_sub **s, const rill_sub_opts *o) const
        {
            return call(self, s, what, o);
        }
    };
    struct with {
        const char *url;
        int operator()(rill_bus **b, const rill_opts *o) const { return rill_open(b, url, o); }
    };
    template <class Open> void open_by(Open opening, const rill_opts *o, const errors &how)
    {
        if (detail::version(how) < 0) return;
        mail_ = std::make_shared<detail::mailbox>();
        how.check(opening(&bus_, o));
    }
    template <class Open> void open_by(Open opening, in<rill_opts> o, hooks h, const errors &how)
    {
        if (!h.on_event && !h.dial) return open_by(opening, static_cast<const rill_opts *>(o), how);
        if (detail::version(how) < 0) return;
        rill_opts own = o.copy();
        if (own.on_event || own.dial || own.on_creds) { /* whose arg is the hooks' from now on */
            how.fail(RILL_EINVAL, "on_event, dial and on_creds: of options, or hooks, not both");
            return;
        }
        mail_ = std::make_shared<detail::mailbox>();
        bool dials = static_cast<bool>(h.dial);
        std::unique_ptr<detail::bus_state> s(new detail::bus_state);
        s->calls = std::move(h);
        s->mail = mail_;
        own.on_event = detail::bus_state::event;
        if (dials) own.dial = detail::bus_state::dial;
        own.arg = s.get();
        if (how.check(opening(&bus_, &own)) >= 0) state_ = s.release();
    }
    int shut(int ms) noexcept
    {
        int rc = rill_close(bus_, ms);
        if (rc == RILL_EDEADLK) return rc;
        bus_ = nullptr;
        detail::bus_state *s = std::exchange(state_, nullptr);
        if (s && rc == RILL_OK) delete s;
        else if (s) s->leave();
        return rc;
    }
    void end() noexcept { shut(close_ms); }
};

/* Copies what can be read of the store `from` to a new one; nullptr only checks. How many damages
 * there are. */
template <class F>
int store_salvage(text from, text to, F &&f, const rill_host *host = nullptr, errors how = {})
{
    detail::walk<F> w(f);
    return how.check(w.end(rill_store_salvage(from, to, host, w.care, &w)));
}

/* ---- Forwards ---- */

class forward : public detail::handle<rill_forward, detail::close_forward> {
public:
    forward() noexcept = default;
    forward(bus &from, text stream, bus &to, text into, in<rill_forward_opts> o, errors how = {})
    {
        rill_forward *f = nullptr;
        if (!from || !to) how.check(RILL_ECLOSED, nullptr, "bus of a forward");
        else how.check(rill_forward_open(&f, from.get(), stream, to.get(), into, o));
        reset(f);
    }
    opts<rill_forward_info> status(errors how = {}) const
    {
        opts<rill_forward_info> out;
        how.check(rill_forward_status(get(), &out), get(), "forward");
        return out;
    }
    void close(wait w = close_ms, errors how = {})
    {
        if (!get()) return;
        int rc = rill_forward_close(get(), w.ms);
        if (rc != RILL_EDEADLK) release();
        how.check(rc);
    }
};

/* ---- A broker of one's own ---- */

/* Who wants to log in, from rill_broker_opts.on_login. It may be moved to another thread; who has
 * not been answered when it ends is refused. */
class login {
    const rill_login *l_ = nullptr;

public:
    explicit login(const rill_login *l) noexcept : l_(l) {}
    login(login &&other) noexcept : l_(std::exchange(other.l_, nullptr)) {}
    login &operator=(login &&other) noexcept
    {
        std::swap(l_, other.l_);
        return *this;
    }
    ~login()
    {
        if (l_) rill_login_answer(l_, nullptr, nullptr);
    }
    /* What he shows; no more when he is answered. */
    const rill_login *operator->() const noexcept { return l_; }
    explicit operator bool() const noexcept { return l_ != nullptr; }
    void accept(in<rill_user> as, errors how = {})
    {
        if (answer(as, nullptr, how) >= 0) l_ = nullptr;
    }
    void refuse(text why = nullptr, errors how = {})
    {
        if (answer(nullptr, why, how) >= 0) l_ = nullptr;
    }

private:
    int answer(const rill_user *as, const char *why, errors how)
    {
        int rc = l_ ? rill_login_answer(l_, as, why) : RILL_ECLOSED;
        how.check(rc, l_, "login");
        return rc;
    }
};

class broker : public detail::handle<rill_broker, detail::close_broker> {
public:
    explicit broker(in<rill_broker_opts> o = {}, errors how = {})
    {
        if (detail::version(how) < 0) return;
        rill_broker *b = nullptr;
        how.check(rill_broker_open(&b, o));
        reset(b);
    }
    /* The port. */
    int listen(text url, in<rill_listen_opts> o = {}, errors how = {})
    {
        return check(rill_broker_listen(get(), url, o), how);
    }
    void accept(text url, wire end, errors how = {})
    {
        if (!*this || !end) {
            how.check(RILL_ECLOSED, nullptr, *this ? "wire" : "broker");
            return;
        }
        int rc = rill_broker_accept(get(), url, end.get());
        end.release(); /* the broker's, or closed, or of whom it was given to */
        check(rc, how);
    }
    rill::bus bus(in<rill_opts> o = {}, hooks h = {}, errors how = {})
    {
        rill::bus b;
        rill_broker *self = get();
        if (!self) return check(RILL_ECLOSED, how), rill::bus();
        b.open_by([self](rill_bus **to, const rill_opts *own) {
            return rill_broker_bus(self, to, own);
        }, o, std::move(h), how);
        return b;
    }
    void reload(in<rill_broker_opts> o, errors how = {})
    {
        check(rill_broker_reload(get(), o), how);
    }
    void lame_duck(wait grace, wait duration, errors how = {})
    {
        check(rill_broker_lame_duck(get(), static_cast<std::uint32_t>((std::max)(grace.ms, 0)),
                                    static_cast<std::uint32_t>((std::max)(duration.ms, 0))), how);
    }
    rill::stats stats(errors how = {}) const
    {
        rill::stats out;
        check(rill_broker_stats(get(), &out), how);
        return out;
    }
    opts<rill_broker_info> about(errors how = {}) const
    {
        opts<rill_broker_info> out;
        check(rill_broker_about(get(), &out), how);
        return out;
    }
    /* f(const rill_conn_info &); how many. */
    template <class F> int conns(F &&f, in<rill_conns_opts> o = {}, errors how = {}) const
    {
        detail::walk<F> w(f);
        int rc = rill_broker_conns(get(), o, w.template run<const rill_conn_info *>, &w);
        return check(w.end(rc), how);
    }
    /* f(const rill_conn_sub &); how many there are in all. */
    template <class F>
    std::uint64_t subs(F &&f, in<rill_conn_subs_opts> o = {}, errors how = {}) const
    {
        detail::walk<F> w(f);
        std::uint64_t total = 0;
        int rc = rill_broker_subs(get(), o, w.template run<const rill_conn_sub *>, &w, &total);
        check(w.end(rc), how);
        return total;
    }
    void close(wait w = close_ms, errors how = {})
    {
        if (!*this) return;
        int rc = rill_broker_close(get(), w.ms);
        if (rc != RILL_EDEADLK) release();
        how.check(rc);
    }

private:
    int check(int rc, const errors &how) const { return how.check(rc, get(), "broker"); }
};

/* ---- Coroutines ---- */

#ifdef RILL_HPP_COROUTINES
namespace detail {

/* What co_await holds, in the frame of the coroutine that rests. It is woken exactly once, by the
 * callback, which may be before await_suspend() has returned: nothing of it is touched after the
 * call that was answered by RILL_OK. */
class resting {
public:
    resting(bus &b, const errors &how, std::shared_ptr<mailbox> mail)
        : bus_(b.get()), how_(how), mail_(std::move(mail))
    {
    }
    resting(const resting &) = delete;
    resting &operator=(const resting &) = delete;
    bool await_ready() const noexcept { return false; }

protected:
    rill_bus *bus_;
    errors how_;
    int rc_ = RILL_OK;
    std::string why_;

    template <class Ask> bool rest(std::coroutine_handle<> h, Ask ask)
    {
        rested_ = h;
        int rc = ask();
        if (rc >= 0) return true;
        failed(rc);
        return false;
    }
    void failed(int rc) noexcept
    {
        rc_ = rc;
        try {
            why_ = rill_errmsg();
        } catch (...) {
            why_.clear(); /* there was no memory for it */
        }
    }
    void wake() noexcept
    {
        std::shared_ptr<mailbox> mail = mail_; /* this is gone when the coroutine goes on */
        std::coroutine_handle<> h = rested_;
        try {
            h.resume();
        } catch (...) {
            mail->keep();
        }
    }
    void check() const
    {
        if (rc_ < 0 && bus_) how_.fail(rc_, why_.empty() ? rill_strerror(rc_) : why_.c_str());
        else how_.check(rc_, bus_, "bus");
    }

private:
    std::coroutine_handle<> rested_;
    std::shared_ptr<mailbox> mail_;
};

} // namespace detail

class bus::appending : public detail::resting {
public:
    appending(bus &b, const char *subject, bytes data, const rill_post *post, const errors &how)
        : resting(b, how, b.mail_), subject_(subject), data_(data), post_(post)
    {
    }
    bool await_suspend(std::coroutine_handle<> h)
    {
        return rest(h, [this] {
            return rill_append_async(bus_, subject_, data_.data(), data_.size(), post_, done, this);
        });
    }
    receipt await_resume() const
    {
        check();
        return out_;
    }

private:
    const char *subject_;
    bytes data_;
    const rill_post *post_;
    receipt out_;
    static void done(int err, const rill_receipt *r, void *arg) noexcept
    {
        appending *self = static_cast<appending *>(arg);
        if (err < 0) self->failed(err);
        else if (r) static_cast<rill_receipt &>(self->out_) = *r;
        self->wake();
    }
};

class bus::requesting : public detail::resting {
public:
    requesting(bus &b, const char *subject, bytes data, const rill_post *post, wait w,
               const errors &how)
        : resting(b, how, b.mail_), subject_(subject), data_(data), post_(post), wait_(w)
    {
    }
    bool await_suspend(std::coroutine_handle<> h)
    {
        return rest(h, [this] {
            return rill_request_async(bus_, subject_, data_.data(), data_.size(), post_, wait_.ms,
                                      done, this);
        });
    }
    message await_resume()
    {
        check();
        return std::move(reply_);
    }

private:
    const char *subject_;
    bytes data_;
    const rill_post *post_;
    wait wait_;
    message reply_;
    static void done(int err, const rill_msg *m, void *arg) noexcept
    {
        requesting *self = static_cast<requesting *>(arg);
        if (err < 0) self->failed(err);
        else if (rill_msg *own = rill_msg_ref(m)) self->reply_ = message(own);
        else self->failed(RILL_ENOMEM);
        self->wake();
    }
};

inline bus::appending bus::co_append(const char *subject, bytes data, in<rill_post> post,
                                     errors how)
{
    return {*this, subject, data, post, how};
}
inline bus::requesting bus::co_request(const char *subject, bytes data, in<rill_post> post, wait w,
                                       errors how)
{
    return {*this, subject, data, post, w, how};
}
#endif

} // namespace rill

#if defined(__cpp_lib_ranges)
template <> inline constexpr bool std::ranges::enable_borrowed_range<rill::bytes> = true;
template <> inline constexpr bool std::ranges::enable_view<rill::bytes> = true;
#endif

#endif /* RILL_HPP */
