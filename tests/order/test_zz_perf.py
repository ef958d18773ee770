import asyncio, time, cProfile, pstats, io
from uuid import UUID
from tests.order.house import House, submission
import structlog, logging
async def test_perf(house: House, user) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    ids=[]
    items=[[submission(user, quantity="1") for _ in range(64)] for _ in range(30)]
    house.books.cash *= 1000
    house.books._standing = lambda item: None
    house.books.held = lambda a: 0
    await house.submit_all(items[0])
    pr=cProfile.Profile(); 
    import sys
    t=time.process_time(); w=time.perf_counter()
    for it in items[1:15]:
        rs=await house.submit_all(it); ids+=[UUID(r.order_id) for r in rs]
    n=14*64
    print("submit cpu us/order", (time.process_time()-t)/n*1e6, "wall", (time.perf_counter()-w)/n*1e6)
    pr.enable()
    for it in items[15:]:
        rs=await house.submit_all(it); ids+=[UUID(r.order_id) for r in rs]
    pr.disable()
    s=io.StringIO(); pstats.Stats(pr,stream=s).sort_stats("tottime").print_stats(28); print(s.getvalue())
    t=time.process_time(); w=time.perf_counter()
    for i in range(0,14*64,64): await house.execute(*ids[i:i+64])
    print("execute cpu us/order", (time.process_time()-t)/n*1e6, "wall", (time.perf_counter()-w)/n*1e6)
    pr=cProfile.Profile(); pr.enable()
    for i in range(14*64,28*64,64): await house.execute(*ids[i:i+64])
    pr.disable()
    s=io.StringIO(); pstats.Stats(pr,stream=s).sort_stats("tottime").print_stats(25); print(s.getvalue())
