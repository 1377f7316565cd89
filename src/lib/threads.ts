// libuv reads this when its pool is used first, https://docs.libuv.org/en/v1.x/threadpool.html: whoever wants it is imported
// before all else. Its usual four threads are soon lost to files that hang: eight more for these, see HangGuard.
process.env.UV_THREADPOOL_SIZE ??= '12'
