"""The service for the benchmark: serves the chosen database on a free port, which it prints."""

import socket

from app.logs import set_up_logging
from app.main import create_app
from app.serving import answer_requests
from app.settings import Settings


def main() -> None:
    settings = Settings()
    assert settings.database_url is not None
    set_up_logging(settings.log_level)  # on standard error: whoever started this reads no more than the port
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        app = create_app(settings, settings.database_url.get_secret_value())
        print(listener.getsockname()[1], flush=True)
        answer_requests(app, listener)


if __name__ == "__main__":
    main()
