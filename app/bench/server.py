"""The service for the benchmark: serves the chosen database on a free port, which it prints."""

import socket

import uvicorn

from app.logs import set_up_logging
from app.main import create_app
from app.settings import Settings


def main() -> None:
    settings = Settings()
    assert settings.database_url is not None
    set_up_logging(settings.log_level)  # on standard error: whoever started this reads no more than the port
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        app = create_app(settings, settings.database_url.get_secret_value())
        print(listener.getsockname()[1], flush=True)
        config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False)
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
